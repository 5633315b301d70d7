import type { CrossEncoder, PairRequest, PairScore, PairScores, TextSpan } from '@rerank-fleet/core/ports';
import type { BatchScheduler, SubmitOptions } from './batch-scheduler.js';
import { splitSequences, type EncodedPairs, type EncodedWindows, type SequenceEncoder } from './sequence-encoder.js';

export interface PairScorerParts {
  readonly encoder: SequenceEncoder;
  readonly scheduler: BatchScheduler;
}

/** Steps 6 to 8 for one cross-encoder: tokenize, wait in the planner, run; a passage in windows gets the score of its best. */
export class PairScorer implements CrossEncoder {
  readonly name: string;
  readonly sha256: string;
  readonly #parts: PairScorerParts;

  constructor(model: { readonly name: string; readonly sha256: string }, parts: PairScorerParts) {
    this.name = model.name;
    this.sha256 = model.sha256;
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
    const { query, passages, longDocument, maxPassageTokens, deterministic, priority, signal } = request;
    const started = performance.now();
    const encoded = await this.#parts.encoder.encodePairs(
      this.sha256,
      { query, passages, policy: longDocument, ...(maxPassageTokens === undefined ? {} : { maxPassageTokens }) },
      { priority, signal },
    );
    const tokenized = performance.now();
    const options = { priority, alone: deterministic, ...(signal === undefined ? {} : { signal }) };
    const { windows } = encoded;
    const scoring = windows === undefined ? this.#scoreWhole(encoded, options) : this.#scoreWindows(encoded, windows, options);
    arrived();
    const scores = await scoring;
    return { scores, timingsMs: { tokenize: tokenized - started, score: performance.now() - tokenized } };
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
