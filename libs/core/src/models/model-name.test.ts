import { describe, expect, it } from 'vitest';
import type { ManifestEntry } from './manifest.js';
import { choosePrecision, parseModelReference, precisionPreference } from './model-name.js';

const hub = { kind: 'hub', repo: 'a/b', revision: 'main', onnx: 'onnx/model.onnx' } as const;
const entry = (sources: ManifestEntry['sources']): ManifestEntry => ({
  name: 'm',
  hubIds: [],
  kind: 'cross-encoder',
  maxLength: 512,
  licence: 'MIT',
  sources,
});

describe('parseModelReference', () => {
  it('splits a precision off, and no other suffix', () => {
    expect(parseModelReference('m@fp32')).toEqual({ base: 'm', precision: 'fp32' });
    expect(parseModelReference('a/b@int8')).toEqual({ base: 'a/b', precision: 'int8' });
    expect(parseModelReference('m@main')).toEqual({ base: 'm@main', precision: undefined });
    expect(parseModelReference('@int8')).toEqual({ base: '@int8', precision: undefined });
  });
});

describe('choosePrecision', () => {
  it('takes int8 on a CPU and fp16 on a GPU, and else what there is', () => {
    const all = entry({ int8: hub, fp16: hub, fp32: hub });
    const plain = entry({ int8: hub, fp32: hub });
    expect(choosePrecision(all, undefined, precisionPreference('cpu'))).toBe('int8');
    expect(choosePrecision(all, undefined, precisionPreference('cuda'))).toBe('fp16');
    expect(choosePrecision(all, undefined, precisionPreference('webgpu'))).toBe('fp16');
    expect(choosePrecision(entry({ fp16: hub, fp32: hub }), undefined, precisionPreference('cpu'))).toBe('fp32');
    expect(choosePrecision(plain, undefined, precisionPreference('cuda'))).toBe('fp32');
    expect(choosePrecision(all, 'fp32', precisionPreference('cpu'))).toBe('fp32');
  });

  it('refuses a precision that the model does not come in, naming the others', () => {
    expect(() => choosePrecision(entry({ fp32: hub }), 'fp16', precisionPreference())).toThrow('it has fp32');
  });
});
