/** What is asked of a pool. Tokens are estimates of admission, which needs no tokenizer. */
export interface PoolDemand {
  readonly sync: {
    /** Of calls that wait for their answer. */
    readonly tokens: number;
    /** That calls bring, over about the last half minute. */
    readonly tokensPerS: number;
    /** Since the last call. */
    readonly idleMs: number;
  };
  /** Of open jobs: what is left, and the speed by which each is done when it should be. */
  readonly batch: { readonly slices: number; readonly tokens: number; readonly tokensPerS: number };
  /** Slices of uploads that wait or run, where this pool is the one that is asked for them. */
  readonly ingestSlices: number;
  /** Tasks of any queue that wait or are in the hand of a worker. */
  readonly tasks: number;
  /** A call waited without a worker in the last two minutes. */
  readonly isDemanded: boolean;
}

export interface ScalingBounds {
  /** Calls that wait are done in this time, besides those that come. */
  readonly syncDrainS: number;
  /** Uploads are done in this time. */
  readonly batchDrainS: number;
  /** After its last call a pool keeps a worker for so long. */
  readonly idleS: number;
  readonly maxWorkers: number;
}

/** Busier than this, workers let calls wait: in a queue with random arrivals the wait is four times the service at .8 and nine times at .9 (M/M/1, ρ/(1−ρ)). */
const SYNC_USE = 0.8;
/** Of a slice of an upload: at most 256 documents, of about half a passage each. A guess: uploads are not estimated as calls are. */
export const INGEST_SLICE_TOKENS = 256 * 128;
/** An estimate that is a hundredth over a whole number is that number. */
const SLACK = 0.01;

/**
 * Workers that a pool needs, of which each scores `s` tokens a second:
 *
 *     ⌈ λ/(0.8 s)  +  W/(s · syncDrainS)  +  min(slices, B/s)  +  min(uploads, U/(s · batchDrainS)) ⌉,  from 1 to maxWorkers
 *
 * - `λ`, tokens a second that calls bring: who keeps up with them, with room for chance. The length of the queue alone says nothing of it while workers
 *   keep up (by Little's law it is λ times the wait), and would let the pool shrink until calls wait for `syncDrainS`.
 * - `W`, tokens of calls that wait now: who does these in time, besides.
 * - `B`, tokens a second by which each open job ends when it should. As work and time left shrink together, it stays as it is while a job runs on time:
 *   workers are not taken from it half-way. More workers than slices would find nothing to do.
 * - `U`, tokens of uploads, by a guess.
 *
 * It is at least 1 while anything waits or runs, while somebody asked in vain, and for `idleS` after the last call, since models take longer to load than a
 * client likes to wait; then 0.
 */
export function desiredWorkers(demand: PoolDemand, workerTokensPerS: number, bounds: ScalingBounds): number {
  if (!isWanted(demand, bounds)) return 0;
  const { sync, batch, ingestSlices } = demand;
  const workers =
    sync.tokensPerS / (SYNC_USE * workerTokensPerS) +
    sync.tokens / (workerTokensPerS * bounds.syncDrainS) +
    Math.min(batch.slices, batch.tokensPerS / workerTokensPerS) +
    Math.min(ingestSlices, (ingestSlices * INGEST_SLICE_TOKENS) / (workerTokensPerS * bounds.batchDrainS));
  return Math.min(bounds.maxWorkers, Math.max(1, Math.ceil(workers - SLACK)));
}

function isWanted({ sync, batch, ingestSlices, tasks, isDemanded }: PoolDemand, { idleS }: ScalingBounds): boolean {
  return isDemanded || tasks > 0 || sync.tokens > 0 || batch.slices > 0 || ingestSlices > 0 || sync.idleMs < idleS * 1_000;
}
