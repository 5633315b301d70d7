import type { FieldError } from '@rerank-fleet/core/errors';
import type { EncodedPairs, EncodedSequences, EncodePairsRequest } from '../pipeline/sequence-encoder.js';

export interface TokenizerModel {
  readonly sha256: string;
  readonly tokenizerPath: string;
  readonly maxLength: number;
}

/** What a tokenizer thread is started with. */
export interface TokenizerThreadData {
  readonly models: readonly TokenizerModel[];
}

export type TokenizerWork =
  | { readonly kind: 'pairs'; readonly model: string; readonly request: EncodePairsRequest }
  | { readonly kind: 'texts'; readonly model: string; readonly texts: readonly string[]; readonly prefix: string }
  | { readonly kind: 'count'; readonly model: string; readonly texts: readonly string[] };

export interface TokenizerCall {
  readonly id: number;
  readonly work: TokenizerWork;
}

export type TokenizerReply =
  | { readonly id: number; readonly pairs: EncodedPairs }
  | { readonly id: number; readonly sequences: EncodedSequences }
  | { readonly id: number; readonly counts: Int32Array }
  | {
      readonly id: number;
      readonly error: { readonly code: string; readonly detail: string; readonly errors: readonly FieldError[]; readonly cause?: string };
    };

export type TokenizerMessage = { readonly ready: true } | TokenizerReply;
