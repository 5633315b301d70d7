import { padBatch, type BatchRunner, type PaddedBatch, type TokenSequence } from '../pipeline/batch-runner.js';

/** One way to run the model, that is timed against others. */
export interface Candidate {
  /** Sessions of one split; all are kept busy at once, as in service. */
  readonly runners: readonly BatchRunner[];
  readonly maxBatchTokens: number;
  /** A batch of so many pairs for the runner at this place. @defaultValue the sample, through the whole model */
  readonly batchOf?: (pairs: number, runner: number) => PaddedBatch;
}

export interface MeasureOptions {
  /** sha256 of the model. */
  readonly model: string;
  /** Every pair of a batch is this one, so nothing is padding. */
  readonly sample: TokenSequence;
  /** Repetitions of each candidate, at most. */
  readonly rounds: number;
  /** Of `performance.now()`: what would end later is not begun. */
  readonly deadline: number;
  /** Shortest measurement. @defaultValue 120 */
  readonly leastMs?: number;
  readonly onRound?: (round: number) => void;
}

/** Tokens per second of each repetition; empty where the candidate failed, or there was no time for it. */
export type Rates = readonly number[];

const DEFAULT_LEAST_MS = 120;
/** Threads of a wide session go on spinning after its last batch; without a pause they took 6 % from whoever was timed next. */
const SETTLE_MS = 60;

/**
 * Times candidates in turn (A B C, A B C, …): a machine that slows down for a while slows all of them down. A candidate whose batch fails is left out, and so
 * are larger budgets on the same runners.
 *
 * @returns the rates of each candidate, in their order
 */
export async function measureRates(candidates: readonly Candidate[], options: MeasureOptions): Promise<Rates[]> {
  const { rounds, deadline, sample, leastMs = DEFAULT_LEAST_MS, onRound } = options;
  const rates = candidates.map((): number[] => []);
  const failed = new Set<Candidate>();
  const failedBelow = ({ runners, maxBatchTokens }: Candidate): boolean =>
    [...failed].some((other) => other.runners === runners && other.maxBatchTokens <= maxBatchTokens);
  let before = candidates[0]?.runners;
  let tokensPerMs = await probe(candidates[0], options);
  for (let round = 0; round < rounds; round += 1) {
    onRound?.(round);
    for (const [position, candidate] of candidates.entries()) {
      const expectedMs = Math.max(leastMs, pairsOf(candidate, sample) * (sample.ids.length / tokensPerMs));
      if (failedBelow(candidate) || performance.now() + expectedMs > deadline) continue;
      if (candidate.runners !== before) await pause(SETTLE_MS);
      before = candidate.runners;
      try {
        const rate = await throughput(candidate, options);
        rates[position]?.push(rate);
        tokensPerMs = rate / 1_000 / candidate.runners.length;
      } catch {
        failed.add(candidate);
      }
    }
  }
  return rates.map((measured, position) => (failedBelow(candidates[position]!) ? [] : measured));
}

export const pairsOf = (
  { maxBatchTokens }: Pick<Candidate, 'maxBatchTokens'>,
  { ids }: { readonly ids: { readonly length: number } },
): number => Math.max(1, Math.floor(maxBatchTokens / ids.length));

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function batchFor({ batchOf }: Candidate, { model, sample }: MeasureOptions, pairs: number, runner: number): PaddedBatch {
  return batchOf?.(pairs, runner) ?? padBatch(model, Array<TokenSequence>(pairs).fill(sample));
}

/** Tokens per millisecond of one runner at the smallest batch there is, so that no measurement is begun that cannot end in time. */
async function probe(candidate: Candidate | undefined, options: MeasureOptions): Promise<number> {
  const started = performance.now();
  if (candidate !== undefined) await candidate.runners[0]?.run(batchFor(candidate, options, 1, 0)).catch(() => undefined);
  return options.sample.ids.length / Math.max(0.001, performance.now() - started);
}

/** Sum over the runners, each by its own clock: none is counted as idle while another ends its last batch. */
async function throughput(candidate: Candidate, options: MeasureOptions): Promise<number> {
  const { sample, leastMs = DEFAULT_LEAST_MS } = options;
  const pairs = pairsOf(candidate, sample);
  const ofRunner = async (runner: BatchRunner, position: number): Promise<number> => {
    const started = performance.now();
    let tokens = 0;
    do {
      await runner.run(batchFor(candidate, options, pairs, position));
      tokens += pairs * sample.ids.length;
    } while (performance.now() - started < leastMs);
    return (tokens / (performance.now() - started)) * 1_000;
  };
  const settled = await Promise.allSettled(candidate.runners.map(ofRunner));
  const failure = settled.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return settled.reduce((sum, result) => sum + (result.status === 'fulfilled' ? result.value : 0), 0);
}
