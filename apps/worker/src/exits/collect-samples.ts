import type { TokenSequence } from '../pipeline/batch-runner.js';
import { featureCount } from './pair-features.js';

/** Of a batch of pairs, in their order. */
export interface BatchFeatures {
  /** `[pairs]` */
  readonly logits: Float32Array;
  /** By cut: `[pairs, features]` in row-major order. */
  readonly features: readonly Float32Array[];
}

/** Runs pairs through all layers of a cut model, one batch at a time. */
export interface FeatureCollector {
  collect(sequences: readonly TokenSequence[]): Promise<BatchFeatures>;
}

/** A cut model, ready to run. */
export interface FeatureSource {
  readonly cuts: readonly number[];
  readonly width: number;
  /** They run beside each other. */
  readonly collectors: readonly FeatureCollector[];
}

/** A framed pair with the number of its query: pairs of one query are never on both sides of a split. */
export interface FitPair {
  readonly query: number;
  readonly sequence: TokenSequence;
}

/** What heads are fitted on: for each pair its features at every cut and the model's own logit. */
export interface FitSamples {
  readonly cuts: readonly number[];
  readonly width: number;
  readonly queries: Int32Array;
  readonly logits: Float32Array;
  /** By cut: `[pairs, features]` in row-major order. Those of `collectSamples` are in shared memory, so that threads can fit heads without copies. */
  readonly features: readonly Float32Array[];
}

export interface CollectOptions {
  /** Padded tokens of a batch. @defaultValue 1024 */
  readonly maxBatchTokens?: number;
  readonly onProgress?: ((pairs: number) => void) | undefined;
}

/**
 * Runs all pairs through all layers, neighbours in length together, and keeps the pooled features of each at each cut. Pairs with figures that are not finite are left
 * out. Settles when no collector has a batch in hand.
 */
export async function collectSamples(
  pairs: readonly FitPair[],
  { cuts, width, collectors }: FeatureSource,
  { maxBatchTokens = 1024, onProgress }: CollectOptions = {},
): Promise<FitSamples> {
  const count = featureCount(width);
  const features = cuts.map(() => new Float32Array(new SharedArrayBuffer(pairs.length * count * Float32Array.BYTES_PER_ELEMENT)));
  const logits = new Float32Array(pairs.length);
  const batches = batchesOf(pairs, maxBatchTokens).values();
  let done = 0;
  let failed = false;
  const collect = async (collector: FeatureCollector): Promise<void> => {
    // One iterator for all: each takes the next batch when it has time.
    for (const batch of batches) {
      if (failed) return;
      const found = await collector.collect(batch.map((position) => pairs[position]!.sequence));
      batch.forEach((position, row) => {
        logits[position] = found.logits[row]!;
        found.features.forEach((values, cut) => features[cut]!.set(values.subarray(row * count, (row + 1) * count), position * count));
      });
      onProgress?.((done += batch.length));
    }
  };
  const running = collectors.map((collector) =>
    collect(collector).catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  // The source may be closed after a failure too: nobody may have a batch in hand then.
  await Promise.allSettled(running);
  await Promise.all(running);
  return withoutNonFinite({ cuts, width, queries: Int32Array.from(pairs, ({ query }) => query), logits, features });
}

/** Positions of neighbours in length, longest first. */
function batchesOf(pairs: readonly FitPair[], budget: number): number[][] {
  const length = (position: number): number => pairs[position]!.sequence.ids.length;
  const sorted = [...pairs.keys()].sort((a, b) => length(b) - length(a) || a - b);
  const batches: number[][] = [];
  for (let from = 0; from < sorted.length;) {
    const size = Math.max(1, Math.floor(budget / length(sorted[from]!)));
    batches.push(sorted.slice(from, (from += size)));
  }
  return batches;
}

/** Rows move up in their own buffers: another copy of the features may be more than there is room for. */
function withoutNonFinite(samples: FitSamples): FitSamples {
  const { width, queries, logits, features } = samples;
  const count = featureCount(width);
  let kept = 0;
  for (let pair = 0; pair < logits.length; pair += 1) {
    const isFinite = features.every((values) => values.subarray(pair * count, (pair + 1) * count).every(Number.isFinite));
    if (!Number.isFinite(logits[pair]) || !isFinite) continue;
    if (kept < pair) {
      logits[kept] = logits[pair]!;
      queries[kept] = queries[pair]!;
      for (const values of features) values.copyWithin(kept * count, pair * count, (pair + 1) * count);
    }
    kept += 1;
  }
  if (kept === logits.length) return samples;
  const [rows, figures] = [queries.subarray(0, kept), logits.subarray(0, kept)];
  return { ...samples, queries: rows, logits: figures, features: features.map((values) => values.subarray(0, kept * count)) };
}
