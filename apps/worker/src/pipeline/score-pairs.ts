import type { CrossEncoder, ExitWish, FullReason, PairRequest, PairScore, PairScores } from '@rerank-fleet/core/ports';
import { SegmentsNotLoaded, SequenceFault } from './batch-runner.js';
import type { BatchScheduler } from './batch-scheduler.js';
import { pairsOf, type PairsToRun } from './encoded-pairs.js';
import type { EarlyExit, ExitedScore, ExitObserver } from './early-exit.js';
import { PassageFault, pointAtRequest } from './point-at-request.js';
import type { EncodedPairs, SequenceEncoder } from './sequence-encoder.js';

export interface ScoredModel {
  readonly name: string;
  readonly sha256: string;
  /** Tokens of a pair. @defaultValue as many as there are */
  readonly maxLength?: number;
}

export interface PairScorerParts {
  readonly encoder: SequenceEncoder;
  readonly scheduler: BatchScheduler;
  /** Absent: the model cannot run in segments. */
  readonly earlyExit?: EarlyExit | undefined;
  /** Told of requests that would let pairs leave, where the model cannot run in segments. */
  readonly exitObserver?: Pick<ExitObserver, 'ranFull'> | undefined;
}

/** Of most texts, for a guess before it is known. */
const CHARACTERS_PER_TOKEN = 4;
/** Of what idle threads would take at once, so much is tokenized first: they begin sooner, and what follows is cut to end with them. */
const FIRST_SHARE = 1 / 2;

/** Steps 6 to 8 for one cross-encoder: tokenize, wait in the planner, run; a passage in windows gets the score of its best. */
export class PairScorer implements CrossEncoder {
  readonly name: string;
  readonly sha256: string;
  readonly #maxLength: number;
  readonly #parts: PairScorerParts;

  constructor(model: ScoredModel, parts: PairScorerParts) {
    this.name = model.name;
    this.sha256 = model.sha256;
    this.#maxLength = model.maxLength ?? Infinity;
    this.#parts = parts;
  }

  async score(request: PairRequest): Promise<PairScores> {
    const arrived = this.#parts.scheduler.expect();
    try {
      return await this.#score(request, arrived);
    } finally {
      arrived();
    }
  }

  async #score(request: PairRequest, arrived: () => void): Promise<PairScores> {
    const started = performance.now();
    let tokenized = started;
    const onTokenized = (): void => {
      tokenized = performance.now();
      arrived();
    };
    const fullReason = this.#whyFull(request);
    if (request.exit !== undefined && fullReason === undefined) {
      const scored = await this.#scoreWithExits(request, request.exit, onTokenized);
      return { ...scored, timingsMs: { tokenize: tokenized - started, score: performance.now() - tokenized } };
    }
    const parts = this.#partsOf(request);
    const scores = parts === undefined ? await this.#scorePart(request, onTokenized) : await this.#scoreParts(request, parts, onTokenized);
    const reason = fullReason === undefined ? {} : { fullReason };
    return { scores, ...reason, timingsMs: { tokenize: tokenized - started, score: performance.now() - tokenized } };
  }

  #whyFull(request: PairRequest): FullReason | undefined {
    if (request.exit === undefined) return undefined;
    const { earlyExit, exitObserver } = this.#parts;
    const reason = request.deterministic ? 'deterministic' : earlyExit === undefined ? 'model_not_cut' : earlyExit.whyFull(request);
    if (reason === undefined) return undefined;
    if (earlyExit === undefined) exitObserver?.ranFull({ model: this.sha256, reason });
    else earlyExit.note(reason);
    return reason;
  }

  /** Whatever goes wrong in a segment, the whole model has the last word. */
  async #scoreWithExits(request: PairRequest, wish: ExitWish, onTokenized: () => void): Promise<Omit<PairScores, 'timingsMs'>> {
    const earlyExit = this.#parts.earlyExit!;
    const encoded = await this.#encode(request);
    onTokenized();
    const pairs = pairsOf(encoded);
    const options = {
      priority: request.priority,
      alone: false,
      // Whoever waited for room and runs whole after all keeps its place.
      turn: this.#parts.scheduler.turn(),
      arrivedAt: performance.now(),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    };
    const whole = async (reason: FullReason, error?: unknown): Promise<Omit<PairScores, 'timingsMs'>> => {
      earlyExit.note(reason, error);
      const rows = await this.#parts.scheduler.run(this.sha256, pairs.sequences, options).catch(blame(pairs));
      return { scores: pairs.scoresOf(rows.map(([logit]) => ({ logit: logit! }))), fullReason: reason };
    };
    if (!earlyExit.hasRoomFor(pairs.sequences)) return await whole('no_memory');
    const groups = pairs.passages.map((passage) => wish.groups?.[passage] ?? passage);
    let scored: ExitedScore[] | undefined;
    try {
      scored = await earlyExit.score(pairs.sequences, { wish, groups }, options);
    } catch (error) {
      request.signal?.throwIfAborted();
      return await whole(error instanceof SegmentsNotLoaded ? 'not_loaded' : 'fault', error);
    }
    return scored === undefined ? await whole('no_memory') : { scores: pairs.scoresOf(scored) };
  }

  /**
   * Positions of the longest passages, some for every idle thread, and of the others: the model begins with the first while the others are tokenized.
   * Undefined where one part will do: no thread is idle, there is little to tokenize, or what one passage is decides over the rest.
   */
  #partsOf({ query, passages, longDocument, deterministic }: PairRequest): readonly [number[], number[]] | undefined {
    const wanted = longDocument === 'truncate' && !deterministic ? this.#parts.scheduler.appetite(this.sha256) : 0;
    if (wanted === 0) return undefined;
    const longestFirst = [...passages.keys()].sort((a, b) => passages[b]!.length - passages[a]!.length);
    let [first, tokens] = [0, 0];
    for (const [at, position] of longestFirst.entries()) {
      if (tokens < wanted * FIRST_SHARE) first = at + 1;
      if (tokens >= wanted) return [longestFirst.slice(0, first), longestFirst.slice(first)];
      tokens += Math.min(this.#maxLength, (query.length + passages[position]!.length) / CHARACTERS_PER_TOKEN);
    }
    return undefined;
  }

  async #scoreParts(request: PairRequest, parts: readonly number[][], onTokenized: () => void): Promise<PairScore[]> {
    const scores = new Array<PairScore>(request.passages.length);
    // What fails in one part ends the other.
    const failed = new AbortController();
    const signal = request.signal === undefined ? failed.signal : AbortSignal.any([request.signal, failed.signal]);
    const turn = this.#parts.scheduler.turn();
    let onFirst: (() => void) | undefined = onTokenized;
    const scorePart = async (positions: readonly number[]): Promise<void> => {
      const passages = positions.map((position) => request.passages[position]!);
      const part = await this.#scorePart(
        { ...request, passages, signal },
        () => {
          onFirst?.();
          onFirst = undefined;
        },
        turn,
      ).catch((error: unknown) => {
        throw pointAtRequest(error, this, positions);
      });
      positions.forEach((position, row) => (scores[position] = part[row]!));
    };
    try {
      await Promise.all(parts.map(scorePart));
    } catch (error) {
      failed.abort(error);
      throw error;
    }
    return scores;
  }

  async #scorePart(request: PairRequest, onTokenized: () => void, turn?: number): Promise<PairScore[]> {
    const { deterministic, priority, signal } = request;
    const pairs = pairsOf(await this.#encode(request));
    const scoring = this.#parts.scheduler.run(this.sha256, pairs.sequences, {
      priority,
      alone: deterministic,
      ...(signal === undefined ? {} : { signal }),
      ...(turn === undefined ? {} : { turn }),
    });
    onTokenized();
    return pairs.scoresOf((await scoring.catch(blame(pairs))).map(([logit]) => ({ logit: logit! })));
  }

  async #encode({ query, passages, longDocument, maxPassageTokens, priority, signal }: PairRequest): Promise<EncodedPairs> {
    const longest = maxPassageTokens === undefined ? {} : { maxPassageTokens };
    return await this.#parts.encoder.encodePairs(this.sha256, { query, passages, policy: longDocument, ...longest }, { priority, signal });
  }
}

/** Rethrows; where one sequence is to blame, as the fault of its passage. */
function blame({ passages }: PairsToRun): (error: unknown) => never {
  return (error) => {
    throw error instanceof SequenceFault ? new PassageFault(passages[error.sequence]!, error) : error;
  };
}
