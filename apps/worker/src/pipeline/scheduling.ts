import type { Priority } from './batch-planner.js';
import type { BatchRunner } from './batch-runner.js';

export interface ScheduledModel {
  readonly sha256: string;
  /** One segment of it, which has a queue of its own. */
  readonly segment?: number;
  /** Padded tokens of a batch; fewer once a batch did not fit into memory. */
  readonly maxBatchTokens: number;
  /** Longest sequence in tokens: the budget never falls below it. @defaultValue 1 */
  readonly maxLength?: number;
  /** Tokens from which sequences run beside others of their own length only. @defaultValue Infinity */
  readonly separateFrom?: number;
}

/** A batch that the model ran. */
export interface BatchReport {
  /** sha256 of the model. */
  readonly model: string;
  readonly segment?: number;
  /** What ran together; `waitMs` is from its arrival to the start of the batch, `mark` what the observer gave it. */
  readonly sequences: readonly { readonly length: number; readonly priority: Priority; readonly waitMs: number; readonly mark?: unknown }[];
  readonly paddedTokens: number;
  /** Padded tokens that it might have had. */
  readonly budget: number;
  readonly runMs: number;
  /** From here to the runner and back, of `performance.now()`. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** Epoch milliseconds at which the model began, where the runner says so. */
  readonly ranAt?: number;
}

/** Told of each batch as it comes back. It must not throw. */
export interface BatchObserver {
  /** Asked when sequences come: what their reports are to hold, so that the observer knows whose they are. */
  mark?(): unknown;
  batchRan(report: BatchReport): void;
}

export interface BatchSchedulerOptions {
  readonly models: readonly ScheduledModel[];
  readonly runners: readonly BatchRunner[];
  /** Longest wait of a sequence for batch mates that are on their way, while a runner is idle. */
  readonly maxBatchDelayMs: number;
  readonly observer?: BatchObserver;
  /** A batch of this model, or of this segment of it, did not fit into memory; it has this budget from now on. */
  readonly onBudgetLowered?: (model: string, maxBatchTokens: number, segment?: number) => void;
}

export interface SubmitOptions {
  readonly priority: 'sync' | 'batch';
  /** One sequence a batch. */
  readonly alone: boolean;
  readonly signal?: AbortSignal;
  /** What `turn()` gave to the request; calls with the same are of one request. @defaultValue a turn of its own */
  readonly turn?: number;
  /** Of `performance.now()`, when the request first came. @defaultValue now */
  readonly arrivedAt?: number;
}

/** Rows of output that are on their way. */
export interface SubmittedRows {
  /** One row a sequence, in their order. Rejects with the first that fails, or with the signal's reason. */
  readonly rows: Promise<Float32Array[]>;
  /** Resolves when no runner works on any of them, nor will: what they lie in may be used again. Later than `rows` after an abort. */
  readonly left: Promise<unknown>;
}

/** Running totals since start. */
export interface SchedulerStats {
  readonly batches: number;
  readonly sequences: number;
  readonly tokens: number;
  readonly paddedTokens: number;
  readonly runMs: number;
  readonly waiting: number;
}
