import { describe, expect, test } from 'vitest';
import { collectionSettings, denseSearchParams } from './index-options.js';

const PLAIN = { vectors: { dense: { size: 384, distance: 'Cosine' } }, sparse_vectors: { bm25: { modifier: 'idf' } } };

describe('settings of a collection', () => {
  test('without options the server decides all but the vectors', () => {
    expect(collectionSettings(384)).toEqual(PLAIN);
    expect(collectionSettings(384, { quantization: 'none' })).toEqual(PLAIN);
    expect(collectionSettings(384, { hnsw: {} })).toEqual({ ...PLAIN, hnsw_config: {} });
  });

  test('every option has its place in the body', () => {
    expect(
      collectionSettings(8, { hnsw: { m: 32, efConstruct: 256 }, quantization: 'scalar', onDisk: true, shards: 4, replicas: 2 }),
    ).toEqual({
      vectors: { dense: { size: 8, distance: 'Cosine', on_disk: true } },
      sparse_vectors: { bm25: { modifier: 'idf' } },
      hnsw_config: { m: 32, ef_construct: 256 },
      quantization_config: { scalar: { type: 'int8', quantile: 0.99, always_ram: true } },
      shard_number: 4,
      replication_factor: 2,
    });
    expect(collectionSettings(8, { quantization: 'binary', hnsw: { m: 0 } })).toEqual({
      vectors: { dense: { size: 8, distance: 'Cosine' } },
      sparse_vectors: { bm25: { modifier: 'idf' } },
      hnsw_config: { m: 0 },
      quantization_config: { binary: { always_ram: true } },
    });
  });
});

describe('parameters of a dense search', () => {
  test('quantized vectors pick more than the limit and the originals score them', () => {
    expect(denseSearchParams({ quantization: 'scalar' })).toEqual({ quantization: { rescore: true, oversampling: 2 } });
    expect(denseSearchParams({ quantization: 'binary' })).toEqual({ quantization: { rescore: true, oversampling: 4 } });
  });

  test('without quantized vectors there are none', () => {
    expect(denseSearchParams()).toBeUndefined();
    expect(denseSearchParams({ quantization: 'none', onDisk: true })).toBeUndefined();
  });
});
