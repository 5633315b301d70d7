import type { TokenSequence } from './batch-runner.js';

/** Framed sequences, one after the other, in buffers that can move between threads. */
export interface EncodedSequences {
  readonly ids: Int32Array;
  readonly typeIds: Uint8Array;
  /** Tokens of each sequence. */
  readonly lengths: Int32Array;
  /** 1 where the text was cut to fit. */
  readonly truncated: Uint8Array;
}

export interface EncodedPairs extends EncodedSequences {
  /** Tokens that the model's window leaves to a passage beside this query. */
  readonly room: number;
}

export interface EncodePairsRequest {
  readonly query: string;
  readonly passages: readonly string[];
  /** What becomes of a passage that does not fit: its end is cut, or the request is refused. */
  readonly policy: 'truncate' | 'error';
  /** Longest passage in tokens, without special tokens; the window also bounds it. */
  readonly maxPassageTokens?: number;
}

/** Step 6: texts to token ids, framed as the model wants them. */
export interface SequenceEncoder {
  /** @throws RerankError `query_too_long`, `pair_too_long` */
  encodePairs(model: string, request: EncodePairsRequest): Promise<EncodedPairs>;
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
