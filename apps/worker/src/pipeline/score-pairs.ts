import type { CrossEncoder, PairRequest, PairScore, PairScores } from '@rerank-fleet/core/ports';
import type { BatchScheduler, SubmitOptions } from './batch-scheduler.js';
import { splitSequences, type EncodedPairs, type EncodePairsRequest, type SequenceEncoder } from './sequence-encoder.js';
import { windowPassages, type CutWindows, type PassageWindow } from './window-passages.js';

export interface PairScorerParts {
  readonly encoder: SequenceEncoder;
  readonly scheduler: BatchScheduler;
  readonly cutWindows: CutWindows;
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
    const pairs: EncodePairsRequest = {
      query,
      passages,
      policy: longDocument === 'error' ? 'error' : 'truncate',
      ...(maxPassageTokens === undefined ? {} : { maxPassageTokens }),
    };
    const encoded = await this.#parts.encoder.encodePairs(this.sha256, pairs);
    const windowed =
      longDocument === 'chunk' && exceedsWindow(encoded, maxPassageTokens) ? await this.#encodeWindows(pairs, encoded) : undefined;
    const tokenized = performance.now();
    const options = { priority, alone: deterministic, ...(signal === undefined ? {} : { signal }) };
    const scoring = windowed === undefined ? this.#scoreWhole(encoded, options) : this.#scoreWindows(encoded, windowed, options);
    arrived();
    const scores = await scoring;
    return { scores, timingsMs: { tokenize: tokenized - started, score: performance.now() - tokenized } };
  }

  async #scoreWhole(encoded: EncodedPairs, options: SubmitOptions): Promise<PairScore[]> {
    const rows = await this.#parts.scheduler.run(this.sha256, splitSequences(encoded), options);
    return rows.map((row, index) => ({ logit: row[0]!, tokens: encoded.lengths[index]!, truncated: encoded.truncated[index] === 1 }));
  }

  async #encodeWindows(pairs: EncodePairsRequest, encoded: EncodedPairs): Promise<EncodedWindows> {
    const { windows, cut } = await windowPassages({ model: this.sha256, ...this.#parts }, pairs, encoded);
    const texts = windows.map(({ text }) => text);
    return {
      windows,
      cut,
      encoded: await this.#parts.encoder.encodePairs(this.sha256, { query: pairs.query, passages: texts, policy: 'truncate' }),
    };
  }

  /** Passages that fit and windows of the others run together. */
  async #scoreWindows(whole: EncodedPairs, { windows, cut, encoded }: EncodedWindows, options: SubmitOptions): Promise<PairScore[]> {
    const sequences = splitSequences(whole);
    const fitting = [...sequences.keys()].filter((index) => whole.truncated[index] !== 1);
    const submitted = [...fitting.map((index) => sequences[index]!), ...splitSequences(encoded)];
    const rows = await this.#parts.scheduler.run(this.sha256, submitted, options);
    const scores = new Map<number, PairScore>();
    fitting.forEach((index, row) => scores.set(index, { logit: rows[row]![0]!, tokens: whole.lengths[index]!, truncated: false }));
    windows.forEach(({ passage, span }, position) => {
      const logit = rows[fitting.length + position]![0]!;
      const best = scores.get(passage);
      const tokens = (best?.tokens ?? 0) + encoded.lengths[position]!;
      const winner =
        best === undefined || logit > best.logit
          ? { logit, span }
          : { logit: best.logit, ...(best.span === undefined ? {} : { span: best.span }) };
      scores.set(passage, { ...winner, tokens, truncated: cut.has(passage) });
    });
    return sequences.map((_, index) => scores.get(index)!);
  }
}

interface EncodedWindows {
  readonly windows: readonly PassageWindow[];
  readonly cut: ReadonlySet<number>;
  readonly encoded: EncodedPairs;
}

/** A passage that the caller wants cut below the window is cut, not windowed. */
function exceedsWindow(encoded: EncodedPairs, maxPassageTokens: number | undefined): boolean {
  return (maxPassageTokens ?? Infinity) > encoded.room && encoded.truncated.includes(1);
}
