import type { TokenSequence } from '../pipeline/batch-runner.js';

/** Where a framed pair has its texts, as positions of tokens; ends are exclusive, special tokens belong to neither. */
export type PairSpans = readonly [queryStart: number, queryEnd: number, passageStart: number, passageEnd: number];

/**
 * Reads the spans off the ids: every supported frame begins with one special token and ends with the separator that also stands between query and passage, once (BERT,
 * ModernBERT) or twice (RoBERTa). Padding is no part of the sequence.
 */
export function pairSpans({ ids }: Pick<TokenSequence, 'ids'>): PairSpans {
  const end = Math.max(0, ids.length - 1);
  const separator = ids[end];
  const first = separator === undefined ? -1 : ids.indexOf(separator, 1);
  const queryEnd = first < 0 ? end : Math.min(first, end);
  let passageStart = queryEnd;
  while (passageStart < end && ids[passageStart] === separator) passageStart += 1;
  return [Math.min(1, queryEnd), queryEnd, passageStart, end];
}
