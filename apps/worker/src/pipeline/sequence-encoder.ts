import type { LongPairPolicy } from '@rerank-fleet/core/ports';
import type { TokenSequence } from './batch-runner.js';

/** Framed sequences, one after the other. */
export interface EncodedSequences {
  readonly ids: Int32Array;
  readonly typeIds: Uint8Array;
  readonly lengths: Int32Array;
  readonly truncated: Uint8Array;
}

/** Step 6: texts to token ids, framed as the model wants them. */
export interface SequenceEncoder {
  encodePairs(
    model: string,
    request: {
      readonly query: string;
      readonly passages: readonly string[];
      readonly policy: LongPairPolicy;
      readonly maxPassageTokens?: number;
    },
  ): Promise<EncodedSequences>;
  encodeTexts(model: string, texts: readonly string[], prefix: string): Promise<EncodedSequences>;
  countTokens(model: string, texts: readonly string[]): Promise<Int32Array>;
}

/** Views of the single sequences; nothing is copied. */
export function splitSequences({ ids, typeIds, lengths }: EncodedSequences): TokenSequence[] {
  let offset = 0;
  return Array.from(lengths, (length) => {
    const start = offset;
    offset += length;
    return { ids: ids.subarray(start, offset), typeIds: typeIds.subarray(start, offset) };
  });
}
