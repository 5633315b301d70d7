import type { CrossEncoder, PairRequest, PairScore, PairScores, TextSpan } from '@rerank-fleet/core/ports';
import type { BatchScheduler, SubmitOptions } from './batch-scheduler.js';
import { splitSequences, type EncodedPairs, type EncodedWindows, type SequenceEncoder } from './sequence-encoder.js';

export interface ScoredModel {
  readonly name: string;
  readonly sha256: string;
  /** Tokens of a pair. @defaultValue as many as there are */
  readonly maxLength?: number;
}

export interface PairScorerParts {
  readonly encoder: SequenceEncoder;
  readonly scheduler: BatchScheduler;
}

/** Of most texts, for a guess before it is known. */
const CHARACTERS_PER_TOKEN = 4;

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
    const parts = this.#partsOf(request);
    const scores = parts === undefined ? await this.#scorePart(request, onTokenized) : await this.#scoreParts(request, parts, onTokenized);
    return { scores, timingsMs: { tokenize: tokenized - started, score: performance.now() - tokenized } };
  }

  /**
   * Positions of the longest passages, enough of them for every idle thread, and of the others: the model begins with the first while the others are tokenized.
   * Undefined where one part will do: no thread is idle, there is little to tokenize, or what one passage is decides over the rest.
   */
  #partsOf({ query, passages, longDocument, deterministic }: PairRequest): readonly [number[], number[]] | undefined {
    const wanted = longDocument === 'truncate' && !deterministic ? this.#parts.scheduler.appetite(this.sha256) : 0;
    if (wanted === 0) return undefined;
    const longestFirst = [...passages.keys()].sort((a, b) => passages[b]!.length - passages[a]!.length);
    let first = 0;
    for (let tokens = 0; first < longestFirst.length && tokens < wanted; first += 1)
      tokens += Math.min(this.#maxLength, (query.length + passages[longestFirst[first]!]!.length) / CHARACTERS_PER_TOKEN);
    return first < passages.length ? [longestFirst.slice(0, first), longestFirst.slice(first)] : undefined;
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
      );
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
    const { query, passages, longDocument, maxPassageTokens, deterministic, priority, signal } = request;
    const encoded = await this.#parts.encoder.encodePairs(
      this.sha256,
      { query, passages, policy: longDocument, ...(maxPassageTokens === undefined ? {} : { maxPassageTokens }) },
      { priority, signal },
    );
    const options = {
      priority,
      alone: deterministic,
      ...(signal === undefined ? {} : { signal }),
      ...(turn === undefined ? {} : { turn }),
    };
    const { windows } = encoded;
    const scoring = windows === undefined ? this.#scoreWhole(encoded, options) : this.#scoreWindows(encoded, windows, options);
    onTokenized();
    return await scoring;
  }

  async #scoreWhole(encoded: EncodedPairs, options: SubmitOptions): Promise<PairScore[]> {
    const rows = await this.#parts.scheduler.run(this.sha256, splitSequences(encoded), options);
    return rows.map((row, index) => ({ logit: row[0]!, tokens: encoded.lengths[index]!, truncated: encoded.truncated[index] === 1 }));
  }

  /** Passages that fit and windows of the others run together. */
  async #scoreWindows(whole: EncodedPairs, windows: EncodedWindows, options: SubmitOptions): Promise<PairScore[]> {
    const sequences = splitSequences(whole);
    const fitting = [...sequences.keys()].filter((index) => whole.truncated[index] !== 1);
    const submitted = [...fitting.map((index) => sequences[index]!), ...splitSequences(windows)];
    const rows = await this.#parts.scheduler.run(this.sha256, submitted, options);
    const scores = new Map<number, PairScore>();
    fitting.forEach((index, row) => scores.set(index, { logit: rows[row]![0]!, tokens: whole.lengths[index]!, truncated: false }));
    windows.passages.forEach((passage, window) => {
      const logit = rows[fitting.length + window]![0]!;
      const best = scores.get(passage);
      const tokens = (best?.tokens ?? 0) + windows.lengths[window]!;
      const span = best === undefined || logit > best.logit ? spanOf(windows, window) : best.span;
      scores.set(passage, {
        logit: Math.max(logit, best?.logit ?? -Infinity),
        tokens,
        truncated: windows.cut[passage] === 1,
        ...(span === undefined ? {} : { span }),
      });
    });
    return sequences.map((_, index) => scores.get(index)!);
  }
}

function spanOf({ spans }: EncodedWindows, window: number): TextSpan {
  return { start: spans[2 * window]!, end: spans[2 * window + 1]! };
}
