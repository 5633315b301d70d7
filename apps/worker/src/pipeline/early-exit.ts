import type { Effort, ExitWish, FullReason, PairRequest } from '@rerank-fleet/core/ports';
import { SegmentsNotLoaded, type SequenceState, type TokenSequence } from './batch-runner.js';
import type { BatchScheduler } from './batch-scheduler.js';
import type { SubmitOptions } from './scheduling.js';
import { survivorsOf } from './exit-policy.js';
import { pagesFor, type StatePages } from './state-pages.js';

/** A model whose segments this worker can run. */
export interface ExitModel {
  readonly sha256: string;
  /** Layers of the model, and layers run before each cut. */
  readonly layers: number;
  readonly cuts: readonly number[];
  /** By cut: standard deviation of what predictions are off by, in logits. */
  readonly sigmas: readonly number[];
  /** By cut, in standard deviations; Infinity where nobody leaves. */
  readonly margins: Readonly<Record<Exclude<Effort, 'full'>, readonly number[]>>;
}

/** Told of what early exit did. It must not throw. */
export interface ExitObserver {
  cutMade(cut: { readonly model: string; readonly layer: number; readonly before: number; readonly after: number }): void;
  /** Pairs left, or came to the end: so many layers of all were run for each. */
  pairsEnded(ended: { readonly model: string; readonly pairs: number; readonly layersRun: number; readonly layers: number }): void;
  /** Of a pair that ran to the end: what was predicted of it at a cut, less its logit, in that cut's standard deviations. */
  predictionOff(prediction: { readonly model: string; readonly layer: number; readonly sigmas: number }): void;
  ranFull(reason: { readonly model: string; readonly reason: FullReason; readonly error?: unknown }): void;
}

export interface EarlyExitParts {
  readonly scheduler: BatchScheduler;
  readonly pages: StatePages;
  /** Where a framed pair has its query and its passage. */
  readonly spanOf: (sequence: TokenSequence) => SequenceState['span'];
  readonly observer?: ExitObserver | undefined;
  /** Milliseconds, monotonic. @defaultValue `performance.now` */
  readonly now?: () => number;
}

export interface ExitedScore {
  readonly logit: number;
  readonly exitLayer?: number;
}

/** Below so many candidates a result that needs its full logit, too few could leave. */
const LEAST_CANDIDATES = 2;
/**
 * After a thread could not load the segments. Others may hold them, but the next segment of a pair may be that thread's: so no request is begun on any until it is
 * tried again.
 */
const LOAD_PAUSE_MS = 60_000;

interface RunningPair {
  readonly item: number;
  readonly sequence: TokenSequence;
  readonly pages: Int32Array;
  /** By cut. */
  readonly predictions: number[];
}

/**
 * Scores the pairs of a request in segments of the model's layers. After each, a pair whose predicted final logit is hopeless leaves; the survivors go back to the
 * planner, where they share batches with those of other requests. (Xin et al. 2020, *Early Exiting BERT for Efficient Document Ranking*; Soldaini and Moschitti
 * 2020, *The Cascade Transformer*.)
 */
export class EarlyExit {
  readonly #model: ExitModel;
  readonly #parts: EarlyExitParts;
  readonly #now: () => number;
  #pausedUntil = -Infinity;

  constructor(model: ExitModel, parts: EarlyExitParts) {
    this.#model = model;
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
  }

  /** Why all layers have to run, if they have. */
  whyFull({ exit, deterministic, passages }: PairRequest): FullReason | undefined {
    if (exit === undefined) return undefined;
    if (deterministic) return 'deterministic';
    if (candidatesOf(passages, exit) < LEAST_CANDIDATES * exit.atLeast) return 'few_candidates';
    return this.#now() < this.#pausedUntil ? 'not_loaded' : undefined;
  }

  /** Whether the hidden states of so many pairs can ever lie in memory at once. */
  hasRoomFor(sequences: readonly TokenSequence[]): boolean {
    return pagesOf(sequences) <= this.#parts.pages.capacity;
  }

  note(reason: FullReason, error?: unknown): void {
    this.#parts.observer?.ranFull({ model: this.#model.sha256, reason, ...(error === undefined ? {} : { error }) });
  }

  /**
   * One score a sequence, in their order. Undefined where batch work holds the memory for hidden states and a call would wait for it.
   *
   * @param groups by sequence: those of one key are one result
   * @throws what the scheduler throws: the caller may run the whole model instead
   */
  async score(
    sequences: readonly TokenSequence[],
    { wish, groups }: { readonly wish: ExitWish; readonly groups?: readonly unknown[] },
    { priority, signal, turn = this.#parts.scheduler.turn(), arrivedAt = performance.now() }: SubmitOptions,
  ): Promise<ExitedScore[] | undefined> {
    const { scheduler, pages } = this.#parts;
    const aborts = signal === undefined ? {} : { signal };
    const taken = await pages.take(pagesOf(sequences), { priority, ...aborts });
    if (taken === undefined) return undefined;
    const held = new Set(taken);
    const options = { priority, alone: false, turn, arrivedAt, ...aborts };
    const scores = new Array<ExitedScore>(sequences.length);
    let left: Promise<unknown> = Promise.resolve();
    try {
      let running = spread(sequences, held);
      for (let segment = 0; segment <= this.#model.cuts.length; segment += 1) {
        const submitted = scheduler.submit(
          { model: this.#model.sha256, segment },
          running.map((pair) => this.#withState(pair)),
          options,
        );
        ({ left } = submitted);
        const rows = await submitted.rows;
        const values = rows.map(([value]) => value!);
        if (segment === this.#model.cuts.length) this.#finish(running, values, scores);
        else running = this.#cut(segment, running, { values, wish, scores, held, ...(groups === undefined ? {} : { groups }) });
      }
      return scores;
    } catch (error) {
      if (error instanceof SegmentsNotLoaded) this.#pausedUntil = this.#now() + LOAD_PAUSE_MS;
      throw error;
    } finally {
      // After an abort a thread may still write to them.
      void left.then(() => pages.give(held));
    }
  }

  #withState({ sequence, pages }: RunningPair): TokenSequence {
    return { ...sequence, state: { pages, span: this.#parts.spanOf(sequence) } };
  }

  #cut(
    segment: number,
    running: readonly RunningPair[],
    request: {
      readonly values: readonly number[];
      readonly wish: ExitWish;
      readonly groups?: readonly unknown[];
      readonly scores: ExitedScore[];
      readonly held: Set<number>;
    },
  ): RunningPair[] {
    const { values: predictions, wish, groups, scores, held } = request;
    running.forEach((pair, at) => pair.predictions.push(predictions[at]!));
    const margin = this.#model.margins[wish.effort][segment]!;
    if (margin === Infinity) return [...running];
    const { atLeast, minLogit, known } = wish;
    const survivors = survivorsOf({
      predictions,
      sigma: this.#model.sigmas[segment]!,
      margin,
      atLeast,
      ...(minLogit === undefined ? {} : { minLogit }),
      ...(known === undefined ? {} : { known }),
      ...(groups === undefined ? {} : { groups: running.map(({ item }) => groups[item]) }),
    });
    const layer = this.#model.cuts[segment]!;
    const goesOn = new Set(survivors);
    const freed: number[] = [];
    running.forEach(({ item, pages }, at) => {
      if (goesOn.has(at)) return;
      scores[item] = { logit: predictions[at]!, exitLayer: layer };
      for (const page of pages) if (held.delete(page)) freed.push(page);
    });
    this.#parts.pages.give(freed);
    const { sha256: model, layers } = this.#model;
    const [before, after] = [running.length, survivors.length];
    this.#parts.observer?.cutMade({ model, layer, before, after });
    this.#parts.observer?.pairsEnded({ model, pairs: before - after, layersRun: layer, layers });
    return survivors.map((at) => running[at]!);
  }

  #finish(running: readonly RunningPair[], logits: readonly number[], scores: ExitedScore[]): void {
    const { sha256: model, cuts, sigmas, layers } = this.#model;
    this.#parts.observer?.pairsEnded({ model, pairs: running.length, layersRun: layers, layers });
    running.forEach(({ item, predictions }, at) => {
      const logit = logits[at]!;
      scores[item] = { logit };
      predictions.forEach((predicted, cut) =>
        this.#parts.observer?.predictionOff({ model, layer: cuts[cut]!, sigmas: (predicted - logit) / sigmas[cut]! }),
      );
    });
  }
}

/** Results that compete: passages of one group are one, known ones as well. */
function candidatesOf(passages: readonly string[], { groups, known = [] }: ExitWish): number {
  const keys = new Set([...(groups ?? []), ...known.flatMap(({ group }) => group ?? [])]);
  const alone = (groups === undefined ? passages.length : 0) + known.filter(({ group }) => group === undefined).length;
  return keys.size + alone;
}

function pagesOf(sequences: readonly TokenSequence[]): number {
  return sequences.reduce((sum, { ids }) => sum + pagesFor(ids.length), 0);
}

/** Gives each pair its pages. */
function spread(sequences: readonly TokenSequence[], pages: Iterable<number>): RunningPair[] {
  const all = Int32Array.from(pages);
  let next = 0;
  return sequences.map((sequence, item) => {
    const own = all.subarray(next, (next += pagesFor(sequence.ids.length)));
    return { item, sequence, pages: own, predictions: [] };
  });
}
