/** How the cores are shared out: inference threads, each with a session of so many intra-op threads. */
export interface Split {
  readonly sessions: number;
  readonly intraOpThreads: number;
}

export interface EngineShape extends Split {
  /** Padded tokens of a batch. */
  readonly maxBatchTokens: number;
}

export type Device = 'cpu' | 'cuda' | 'webgpu';

/** Padded tokens of a batch: on a CPU small batches stay in its cache, a GPU wants to be filled (docs/decisions/0006-…). */
export const DEFAULT_BATCH_TOKENS: Readonly<Record<Device, number>> = { cpu: 1_024, cuda: 16_384, webgpu: 16_384 };

/** From this width on, one batch of the default size no longer fills a session. */
const WIDE_SESSION_THREADS = 4;

/** One session a core beats one session on all cores (docs/decisions/0005-…); a GPU takes one. */
export function defaultSplit(device: Device, cores: number, intraOpThreads = 1): Split {
  return { sessions: device === 'cpu' ? Math.max(1, Math.floor(cores / intraOpThreads)) : 1, intraOpThreads };
}

/** Splits worth timing, the default first. */
export function splitCandidates(device: Device, cores: number): Split[] {
  const first = defaultSplit(device, cores);
  if (device !== 'cpu' || cores < 2) return [first];
  const whole = { sessions: 1, intraOpThreads: cores };
  return cores < 4 ? [first, whole] : [first, whole, { sessions: Math.floor(cores / 2), intraOpThreads: 2 }];
}

/** Budgets worth timing, smallest first: the default and its neighbours. */
export function budgetCandidates(device: Device, { intraOpThreads }: Split): number[] {
  const standard = DEFAULT_BATCH_TOKENS[device];
  if (device !== 'cpu') return [standard / 4, standard / 2, standard, standard * 2];
  return [standard / 2, standard, standard * 2, ...(intraOpThreads >= WIDE_SESSION_THREADS ? [standard * 4] : [])];
}

/** Weights and workspace of a session, as a multiple of the model's file. */
export const SESSION_PER_FILE = 2;
/** Part of the free memory that splits under test may take; they are loaded beside each other. */
const MEMORY_SHARE = 0.5;

/** The first split and, in order, those others that fit into memory beside it. */
export function affordableSplits(splits: readonly Split[], modelBytes: number, availableBytes: number): Split[] {
  let left = availableBytes * MEMORY_SHARE;
  return splits.filter(({ sessions }, position) => {
    const bytes = sessions * modelBytes * SESSION_PER_FILE;
    if (position > 0 && bytes > left) return false;
    left -= bytes;
    return true;
  });
}
