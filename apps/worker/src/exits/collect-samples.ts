import { padBatch, type PaddedBatch, type TokenSequence } from '../pipeline/batch-runner.js';
import { pairSpans } from './pair-spans.js';
import { featureCount, poolFeatures, type HiddenRows } from './pool-features.js';

/** Runs a cut model over one batch, segment by segment. */
export interface SegmentRunner {
  readonly cuts: readonly number[];
  readonly width: number;
  /** Shows the hidden state at each cut, which is gone when `onHidden` returns, and resolves to the logits, one a row. */
  run(batch: PaddedBatch, onHidden: (cut: number, hidden: HiddenRows) => void): Promise<Float32Array>;
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
  /** By cut: `[pairs, features]` in row-major order. */
  readonly features: readonly Float32Array[];
}

export interface CollectOptions {
  /** Padded tokens of a batch. @defaultValue 1024 */
  readonly maxBatchTokens?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((pairs: number) => void) | undefined;
}

/** Runs all pairs through all layers, neighbours in length together, and keeps the pooled features of each at each cut. */
export async function collectSamples(
  pairs: readonly FitPair[],
  runner: SegmentRunner,
  { maxBatchTokens = 1024, signal, onProgress }: CollectOptions = {},
): Promise<FitSamples> {
  const { cuts, width } = runner;
  const count = featureCount(width);
  const features = cuts.map(() => new Float32Array(pairs.length * count));
  const logits = new Float32Array(pairs.length);
  let done = 0;
  for (const batch of batchesOf(pairs, maxBatchTokens)) {
    signal?.throwIfAborted();
    const sequences = batch.map((position) => pairs[position]!.sequence);
    const spans = sequences.map(pairSpans);
    const scored = await runner.run(padBatch('', sequences), (cut, hidden) =>
      batch.forEach((position, row) =>
        poolFeatures(hidden, row, spans[row]!, features[cut]!.subarray(position * count, (position + 1) * count)),
      ),
    );
    batch.forEach((position, row) => (logits[position] = scored[row]!));
    onProgress?.((done += batch.length));
  }
  return { cuts, width, queries: Int32Array.from(pairs, ({ query }) => query), logits, features };
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
