import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveModel } from '@rerank-fleet/core/models';
import type { ModelKind } from '@rerank-fleet/core/domain';
import { assertDistinctModels } from '@rerank-fleet/worker/composition/assert-distinct-models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../support/tiny-models/index.js';
import { WorkerStack } from './worker-support.js';

type Json = Readonly<Record<string, unknown>>;

let root: string;
let labels: string;
let folders = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-distinct-'));
  labels = await writeTinyModel(join(root, 'labels'), { kind: 'cross-encoder', layout: 'bert', labels: 3 });
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** The model with three labels once more, one of its JSON files changed. */
async function copyWith(file: string, change: (content: Json) => Json): Promise<string> {
  const folder = join(root, `copy-${folders++}`);
  await cp(labels, folder, { recursive: true });
  const path = join(folder, file);
  await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')) as Json)));
  return folder;
}

async function assertFolders(...configured: readonly (readonly [folder: string, kind: ModelKind])[]): Promise<void> {
  await assertDistinctModels(await Promise.all(configured.map(([folder, kind]) => resolveModel(folder, { cacheDirectory: root, kind }))));
}

const otherLabel = () => copyWith('config.json', (config) => ({ ...config, id2label: { 0: 'relevant', 1: 'b', 2: 'c' } }));

describe(assertDistinctModels, () => {
  it('takes one model twice, also from two folders', async () => {
    const copy = await copyWith('config.json', (config) => config);
    await expect(assertFolders([labels, 'cross-encoder'], [labels, 'cross-encoder'], [copy, 'cross-encoder'])).resolves.toBeUndefined();
  });

  it.each<[string, () => Promise<string>, ModelKind]>([
    ['labelIndex', otherLabel, 'cross-encoder'],
    ['maxLength', () => copyWith('tokenizer_config.json', (config) => ({ ...config, model_max_length: 64 })), 'cross-encoder'],
    ['tokenizer', () => copyWith('tokenizer.json', (tokenizer) => ({ ...tokenizer, other: true })), 'cross-encoder'],
    ['kind', () => Promise.resolve(labels), 'embedder'],
  ])('refuses one file as two models that differ in %s', async (what, folder, kind) => {
    await expect(assertFolders([labels, 'cross-encoder'], [await folder(), kind])).rejects.toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringContaining(what) as string,
    });
  });

  it('refuses two rerankers of one name, of which clients would reach the first only', async () => {
    const other = await writeTinyModel(join(root, 'elsewhere', 'labels'), { kind: 'cross-encoder', layout: 'bert', seed: 7 });
    await expect(assertFolders([labels, 'cross-encoder'], [other, 'cross-encoder'])).rejects.toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringContaining('"labels"') as string,
    });
    const embedder = await writeTinyModel(join(root, 'embedders', 'labels'), { kind: 'embedder', layout: 'bert' });
    await expect(assertFolders([labels, 'cross-encoder'], [embedder, 'embedder'])).resolves.toBeUndefined();
  });
});

describe('a worker', () => {
  it('refuses to start where one file would have to give the scores of two labels', async () => {
    const stack = await WorkerStack.start();
    try {
      const worker = stack.spawnWorker({ RERANK_MODELS: `${labels},${await otherLabel()}` });
      const started = worker.logged(({ message }) => String(message).includes('ready')).then(() => 'ready');
      expect(await Promise.race([worker.exited, started])).toEqual({ code: 78, signal: null });
      expect(worker.text).toContain('labelIndex');
    } finally {
      await stack.stop();
    }
  });
});
