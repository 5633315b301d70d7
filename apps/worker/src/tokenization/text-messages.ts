import type { Bm25Constants, Chunking } from '@rerank-fleet/core/domain';
import type { FieldError } from '@rerank-fleet/core/errors';
import type { EncodedPairs, EncodedSequences, EncodePairsRequest } from '../pipeline/sequence-encoder.js';

export interface TextModel {
  readonly sha256: string;
  readonly tokenizerPath: string;
  readonly maxLength: number;
}

/** What a text thread is started with. */
export interface TextThreadData {
  readonly models: readonly TextModel[];
  /** For tokens of texts seen lately. */
  readonly cacheBytes: number;
}

export interface TextDocument {
  readonly title?: string | undefined;
  readonly text: string;
}

export interface IndexingRules {
  readonly chunking: Chunking;
  readonly bm25: Bm25Constants;
}

export type TextWork =
  | { readonly kind: 'pairs'; readonly model: string; readonly request: EncodePairsRequest }
  | { readonly kind: 'texts'; readonly model: string; readonly texts: readonly string[]; readonly prefix: string }
  | { readonly kind: 'count'; readonly model: string; readonly texts: readonly string[] }
  | { readonly kind: 'documents'; readonly model: string; readonly documents: readonly TextDocument[]; readonly rules: IndexingRules };

/** Passages of documents one after the other: where they lie and their BM25 vectors, in buffers that can move between threads. */
export interface PackedPassages {
  /** Passages of each document. */
  readonly counts: Int32Array;
  /** Of each passage `[from, to, start, end]`: UTF-16 units, then Unicode code points. */
  readonly spans: Int32Array;
  /** Terms of each passage. */
  readonly terms: Int32Array;
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

export type TextAnswer =
  | { readonly pairs: EncodedPairs }
  | { readonly sequences: EncodedSequences }
  | { readonly counts: Int32Array }
  | { readonly passages: PackedPassages };

export interface TextCall {
  readonly id: number;
  readonly priority: 'sync' | 'batch';
  readonly work: TextWork;
}

/** Nobody waits for the call any more. */
export interface CancelCall {
  readonly cancel: number;
}

/** Answered by the thread's loop, between two turns of its work. */
export interface PingCall {
  readonly ping: true;
}

export type TextReply =
  /** Epoch milliseconds: when the thread began with it, and when it was done; others had turns meanwhile. */
  | { readonly id: number; readonly answer: TextAnswer; readonly startedAt: number; readonly endedAt: number }
  | {
      readonly id: number;
      readonly error: { readonly code: string; readonly detail: string; readonly errors: readonly FieldError[]; readonly cause?: string };
    };

export type TextMessage = { readonly ready: true } | { readonly alive: true } | TextReply;
