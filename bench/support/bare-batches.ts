import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { padBatch, type PaddedBatch, type TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import type { ResolvedModel } from '@rerank-fleet/core/domain';

export interface QueryWithDocuments {
  readonly query: string;
  readonly documents: readonly string[];
}

/** Tokenized pairs of all lists, longest first. */
export function tokenizeSorted(model: ResolvedModel, lists: readonly QueryWithDocuments[]): TokenSequence[] {
  const encoder = new PairEncoder(TextTokenizer.load(model.tokenizerPath), model.maxLength);
  return lists
    .flatMap(({ query, documents }) => splitSequences(encoder.encodePairs({ query, passages: documents, policy: 'truncate' })))
    .sort((a, b) => b.ids.length - a.ids.length);
}

/** Neighbours in length, as many as the budget of padded tokens takes; a longer pair comes alone. `sorted` is longest first. */
export function fillBatches(sorted: readonly TokenSequence[], maxBatchTokens: number): PaddedBatch[] {
  return cut(sorted, maxBatchTokens).map(([from, to]) => padBatch('bare', sorted.slice(from, to)));
}

/** At most `count` batches with the largest as small as can be: equal shares for threads that begin together. */
export function levelBatches(sorted: readonly TokenSequence[], count: number): PaddedBatch[] {
  let [low, high] = [1, sorted.length * (sorted[0]?.ids.length ?? 1)];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cut(sorted, middle).length <= count) high = middle;
    else low = middle + 1;
  }
  return fillBatches(sorted, low);
}

/**
 * Batches that shrink towards the end, so that sessions which take the next one when they are free end together (guided self-scheduling, Polychronopoulos and
 * Kuck 1987): each is at most half of a session's share of what is left, and of `maxBatchTokens`.
 */
export function taperBatches(sorted: readonly TokenSequence[], maxBatchTokens: number, sessions: number): PaddedBatch[] {
  const batches: PaddedBatch[] = [];
  let left = sorted.reduce((sum, { ids }) => sum + ids.length, 0);
  for (let from = 0; from < sorted.length;) {
    const [[, size]] = cut(sorted.slice(from), Math.min(maxBatchTokens, Math.ceil(left / sessions / 2))) as [[number, number]];
    const taken = sorted.slice(from, from + size);
    batches.push(padBatch('bare', taken));
    left -= taken.reduce((sum, { ids }) => sum + ids.length, 0);
    from += size;
  }
  return batches;
}

function cut(sorted: readonly TokenSequence[], maxBatchTokens: number): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  for (let from = 0; from < sorted.length;) {
    const to = Math.min(sorted.length, from + Math.max(1, Math.floor(maxBatchTokens / sorted[from]!.ids.length)));
    ranges.push([from, to]);
    from = to;
  }
  return ranges;
}
