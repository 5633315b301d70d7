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

/** Stretches of the passages that did not fit, each framed as a pair of its own. */
export interface EncodedWindows extends EncodedSequences {
  /** Position among the request's passages, of each window. */
  readonly passages: Int32Array;
  /** Start and end of each window, in Unicode code points of its passage. */
  readonly spans: Int32Array;
  /** 1 for each passage of which part was left out, as it is longer than the caller wants looked at. */
  readonly cut: Uint8Array;
}

export interface EncodedPairs extends EncodedSequences {
  /** Where the request wants windows and some passages need them. */
  readonly windows?: EncodedWindows;
}

export interface EncodePairsRequest {
  readonly query: string;
  readonly passages: readonly string[];
  /** What becomes of a passage that does not fit: its end is cut, the request is refused, or it is cut into windows besides. */
  readonly policy: 'truncate' | 'error' | 'chunk';
  /** Longest passage in tokens, without special tokens; the window also bounds it. */
  readonly maxPassageTokens?: number;
}

/** Who waits for work on a text. */
export interface TextWorkOptions {
  /** Sync work goes before batch work. @defaultValue 'sync' */
  readonly priority?: 'sync' | 'batch';
  /** Work that waits is dropped when it aborts, work in hand ends at its next step; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Step 6: texts to token ids, framed as the model wants them. */
export interface SequenceEncoder {
  /** @throws RerankError `query_too_long`, `pair_too_long`, `too_many_candidates` (windows) */
  encodePairs(model: string, request: EncodePairsRequest, options?: TextWorkOptions): Promise<EncodedPairs>;
  encodeTexts(model: string, texts: readonly string[], prefix: string, options?: TextWorkOptions): Promise<EncodedSequences>;
  countTokens(model: string, texts: readonly string[], options?: TextWorkOptions): Promise<Int32Array>;
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
