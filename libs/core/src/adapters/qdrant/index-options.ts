import type { Schemas } from '@qdrant/js-client-rest';
import type { IndexOptions } from '../../domain/index.js';

type Quantization = NonNullable<IndexOptions['quantization']>;

/** `always_ram` and `on_disk` are the words that servers of every supported release take; later ones also know `memory`. */
const QUANTIZATION = {
  none: undefined,
  // A quantile below 1 cuts off the few extreme values that would widen the steps for all the others.
  scalar: { scalar: { type: 'int8' as const, quantile: 0.99, always_ram: true } },
  binary: { binary: { always_ram: true } },
} satisfies Record<Quantization, unknown>;

/** How many times the limit is picked by quantized vectors before the originals order them: a bit a dimension tells less than int8. */
const OVERSAMPLING: Readonly<Record<Quantization, number | undefined>> = { none: undefined, scalar: 2, binary: 4 };

/** Settings of a version's collection. What the options leave out is as the server is configured. */
export function collectionSettings(dimensions: number, { hnsw, quantization = 'none', onDisk, shards, replicas }: IndexOptions = {}) {
  const quantized = QUANTIZATION[quantization];
  return {
    vectors: { dense: { size: dimensions, distance: 'Cosine' as const, ...(onDisk === undefined ? {} : { on_disk: onDisk }) } },
    sparse_vectors: { bm25: { modifier: 'idf' as const } },
    ...(hnsw === undefined ? {} : { hnsw_config: hnswSettings(hnsw) }),
    ...(quantized === undefined ? {} : { quantization_config: quantized }),
    ...(shards === undefined ? {} : { shard_number: shards }),
    ...(replicas === undefined ? {} : { replication_factor: replicas }),
  } satisfies Schemas['CreateCollection'];
}

function hnswSettings({ m, efConstruct }: NonNullable<IndexOptions['hnsw']>): Schemas['HnswConfigDiff'] {
  return { ...(m === undefined ? {} : { m }), ...(efConstruct === undefined ? {} : { ef_construct: efConstruct }) };
}

/** Parameters of a dense search: quantized vectors pick, the originals score. Undefined where there is nothing to say. */
export function denseSearchParams({ quantization = 'none' }: IndexOptions = {}): DenseSearchParams | undefined {
  const oversampling = OVERSAMPLING[quantization];
  return oversampling === undefined ? undefined : { quantization: { rescore: true, oversampling } };
}

export interface DenseSearchParams {
  readonly quantization: { readonly rescore: boolean; readonly oversampling: number };
}
