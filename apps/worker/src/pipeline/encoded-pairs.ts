import type { PairScore, TextSpan } from '@rerank-fleet/core/ports';
import type { TokenSequence } from './batch-runner.js';
import { splitSequences, type EncodedPairs, type EncodedWindows } from './sequence-encoder.js';

type Scored = Pick<PairScore, 'logit' | 'exitLayer'>;

/** What runs through the model for a request. */
export interface PairsToRun {
  /** Passages that fit, then windows of the others. */
  readonly sequences: readonly TokenSequence[];
  /** By sequence: the position of its passage in the request. */
  readonly passages: readonly number[];
  /** One score a passage, from one a sequence: a passage in windows has that of its best. */
  scoresOf(scored: readonly Scored[]): PairScore[];
}

export function pairsOf(encoded: EncodedPairs): PairsToRun {
  const whole = splitSequences(encoded);
  const { windows } = encoded;
  if (windows === undefined) {
    const scoresOf = (scored: readonly Scored[]): PairScore[] =>
      scored.map((score, index) => ({ ...score, tokens: encoded.lengths[index]!, truncated: encoded.truncated[index] === 1 }));
    return { sequences: whole, passages: [...whole.keys()], scoresOf };
  }
  const fitting = [...whole.keys()].filter((index) => encoded.truncated[index] !== 1);
  return {
    sequences: [...fitting.map((index) => whole[index]!), ...splitSequences(windows)],
    passages: [...fitting, ...windows.passages],
    scoresOf: (scored) => {
      const scores = bestWindows(windows, scored.slice(fitting.length));
      fitting.forEach((index, row) => scores.set(index, { ...scored[row]!, tokens: encoded.lengths[index]!, truncated: false }));
      return whole.map((_, index) => scores.get(index)!);
    },
  };
}

/**
 * A window may leave while others of its passage run to the end. The best of those is the score then, though one that left was predicted higher: it was too low to
 * matter when it left, and a logit of all layers is worth more than a guess. Such a score says that it is `partial`.
 */
function bestWindows(windows: EncodedWindows, scored: readonly Scored[]): Map<number, PairScore> {
  const scores = new Map<number, PairScore>();
  const left = new Set(windows.passages.filter((_, window) => scored[window]!.exitLayer !== undefined));
  windows.passages.forEach((passage, window) => {
    const score = scored[window]!;
    const best = scores.get(passage);
    const tokens = (best?.tokens ?? 0) + windows.lengths[window]!;
    const better: PairScore =
      best === undefined || isBetter(score, best)
        ? { ...score, tokens, truncated: windows.cut[passage] === 1, span: spanOf(windows, window) }
        : { ...best, tokens };
    scores.set(passage, better);
  });
  for (const passage of left) {
    const score = scores.get(passage)!;
    if (score.exitLayer === undefined) scores.set(passage, { ...score, partial: true });
  }
  return scores;
}

/** A logit of all layers counts before a prediction. */
function isBetter(a: Scored, b: Scored): boolean {
  const [aLeft, bLeft] = [a.exitLayer !== undefined, b.exitLayer !== undefined];
  return aLeft === bLeft ? a.logit > b.logit : bLeft;
}

function spanOf({ spans }: EncodedWindows, window: number): TextSpan {
  return { start: spans[2 * window]!, end: spans[2 * window + 1]! };
}
