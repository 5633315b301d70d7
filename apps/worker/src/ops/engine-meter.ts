import type { ModelKind } from '@rerank-fleet/core/domain';
import type { BatchObserver, BatchReport } from '../pipeline/scheduling.js';
import type { WorkerInstruments } from './worker-metrics.js';

export interface MeteredModel {
  readonly name: string;
  readonly kind: ModelKind;
  readonly sha256: string;
}

/** Running totals over all models since the warm-up. */
export interface EngineTotals {
  /** Of cross-encoders only. */
  readonly pairs: number;
  readonly batches: number;
  readonly tokens: number;
  readonly paddedTokens: number;
  /** Padded tokens that the batches might have had. */
  readonly budgetTokens: number;
  /** Tokens a second of one session in batches that were well filled, lately; absent until enough of them have run. */
  readonly tokensPerS?: number;
}

/** A batch that says how fast the model is: small ones are slower a token, and are run where little is to be done. */
const FULL = 0.5;
/** Each batch that tells of the speed makes earlier ones count so much: about the last fifty do. */
const MEMORY = 0.98;
const LEAST_RUN_MS = 500;

interface ModelMeter extends MeteredModel {
  tokens: number;
  paddedTokens: number;
}

/** Counts what the model runs. */
export class EngineMeter implements BatchObserver {
  readonly #instruments: WorkerInstruments;
  readonly #models: ReadonlyMap<string, ModelMeter>;
  readonly #totals = { pairs: 0, batches: 0, tokens: 0, paddedTokens: 0, budgetTokens: 0 };
  /** Of well-filled batches of cross-encoders; earlier ones count less. */
  readonly #full = { tokens: 0, runMs: 0 };
  #counting = false;

  constructor(instruments: WorkerInstruments, models: readonly MeteredModel[]) {
    this.#instruments = instruments;
    this.#models = new Map(models.map(({ name, kind, sha256 }) => [sha256, { name, kind, sha256, tokens: 0, paddedTokens: 0 }]));
  }

  get totals(): EngineTotals {
    const { tokens, runMs } = this.#full;
    return { ...this.#totals, ...(runMs < LEAST_RUN_MS ? {} : { tokensPerS: (tokens * 1_000) / runMs }) };
  }

  /** Warm-up and tuning are no work: nothing is counted before. */
  start(): void {
    this.#counting = true;
  }

  batchRan({ model: sha256, segment, sequences, paddedTokens, budget, runMs, startedAt, endedAt }: BatchReport): void {
    const model = this.#models.get(sha256);
    if (!this.#counting || model === undefined) return;
    const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
    model.tokens += tokens;
    model.paddedTokens += paddedTokens;
    this.#totals.batches += 1;
    this.#totals.tokens += tokens;
    this.#totals.paddedTokens += paddedTokens;
    this.#totals.budgetTokens += budget;
    // A pair that runs in segments counts with the first of them.
    const isFirst = segment === undefined || segment === 0;
    if (model.kind === 'cross-encoder') {
      if (isFirst) this.#totals.pairs += sequences.length;
      if (segment === undefined && paddedTokens >= budget * FULL) this.#noteSpeed(tokens, runMs);
    }
    // A thread takes a batch ahead, which waits behind the one that it runs.
    if (isFirst) this.#export(model, sequences, Math.max(0, endedAt - startedAt - runMs));
    const { batches, batchFill, batchTokens, batchPaddedTokens, paddingWaste, modelRun } = this.#instruments;
    const label = { model: model.name };
    batches.add(1, label);
    batchFill.observe(paddedTokens / budget, label);
    batchTokens.add(tokens, label);
    batchPaddedTokens.add(paddedTokens, label);
    paddingWaste.set(1 - model.tokens / model.paddedTokens, label);
    modelRun.observeMs(runMs, label);
  }

  #noteSpeed(tokens: number, runMs: number): void {
    this.#full.tokens = this.#full.tokens * MEMORY + tokens;
    this.#full.runMs = this.#full.runMs * MEMORY + runMs;
  }

  #export({ name: model, kind }: ModelMeter, sequences: BatchReport['sequences'], threadWaitMs: number): void {
    const { pairsScored, textsEmbedded, plannerWait } = this.#instruments;
    const counted = kind === 'cross-encoder' ? pairsScored : textsEmbedded;
    for (const priority of ['sync', 'batch'] as const) {
      const count = sequences.reduce((sum, sequence) => sum + Number(sequence.priority === priority), 0);
      if (count > 0) counted.add(count, { model, priority });
    }
    for (const { priority, waitMs } of sequences) plannerWait.observeMs(waitMs + threadWaitMs, { model, priority });
  }
}
