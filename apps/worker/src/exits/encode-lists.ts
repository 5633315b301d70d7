import { RerankError } from '@rerank-fleet/core/errors';
import { splitSequences, type SequenceEncoder } from '../pipeline/sequence-encoder.js';
import type { FitPair } from './collect-samples.js';
import type { UnlabelledList } from './corpus-lists.js';

export interface EncodedLists {
  readonly pairs: readonly FitPair[];
  /** Queries that are too long for the model: no request with one is ever scored. */
  readonly tooLong: number;
}

/** Frames every pair as the worker does; a passage that does not fit is cut. */
export async function encodeLists(
  lists: readonly UnlabelledList[],
  model: string,
  encoder: Pick<SequenceEncoder, 'encodePairs'>,
): Promise<EncodedLists> {
  const pairs: FitPair[] = [];
  let tooLong = 0;
  for (const [number, { query, documents }] of lists.entries()) {
    try {
      const encoded = await encoder.encodePairs(model, { query, passages: documents, policy: 'truncate' });
      for (const sequence of splitSequences(encoded)) pairs.push({ query: number, sequence });
    } catch (error) {
      if (!(error instanceof RerankError) || error.code !== 'query_too_long') throw error;
      tooLong += 1;
    }
  }
  return { pairs, tooLong };
}
