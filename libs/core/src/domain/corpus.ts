import type { Stage } from './stage.js';

/** How a document's text is cut into passages. Lengths are tokens of the version's embedder. */
export interface Chunking {
  /** `none`: one passage a document. `sentences`: windows of whole sentences. */
  readonly mode: 'none' | 'sentences';
  /** Longest passage in tokens, without special tokens. */
  readonly maxTokens: number;
  /** Tokens of the previous passage repeated at the start of the next, at most. */
  readonly overlapTokens: number;
}

/**
 * Constants of the BM25 document encoder, fixed for the life of a version, so that every process encodes alike.
 * Robertson and Zaragoza (2009), "The Probabilistic Relevance Framework: BM25 and Beyond", equation 3.15.
 */
export interface Bm25Constants {
  readonly k1: number;
  readonly b: number;
  /** Average passage length in terms, after stop words. */
  readonly averageLength: number;
  /** Language of the stemmer and the stop words. */
  readonly language: string;
  /** Name of the term hash, so that a later one cannot be mixed with it. */
  readonly termHash: 'murmur3-32';
}

/** Type of a filterable metadata field; becomes a payload index where the store has such. */
export type FieldType = 'keyword' | 'integer' | 'float' | 'bool' | 'datetime';

/** What a client may set on a corpus. A change of `embeddingModel`, `chunking` or `bm25` needs a reindex. */
export interface CorpusSettings {
  readonly embeddingModel: string;
  readonly chunking: Chunking;
  readonly bm25: Bm25Constants;
  /** Metadata key (dots for nesting) → type. */
  readonly fields: Readonly<Record<string, FieldType>>;
  /** Cascade of requests that name neither model nor stages. Absent: the default model of their pool. */
  readonly stages?: readonly Stage[];
}

/** Names a corpus: a tenant's own name for it. */
export interface CorpusRef {
  readonly tenant: string;
  readonly corpus: string;
}

/** One physical index of a corpus. A request pins one at admission and never sees another. */
export interface CorpusVersion extends CorpusRef {
  /** Counts from 1, never reused within one incarnation of a corpus. */
  readonly version: number;
  /** Identity of the corpus' incarnation: a corpus deleted and made again under the same name gets another. */
  readonly corpusId: string;
  readonly embedder: { readonly name: string; readonly sha256: string; readonly dimensions: number };
  readonly chunking: Chunking;
  readonly bm25: Bm25Constants;
  readonly fields: Readonly<Record<string, FieldType>>;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

/** A corpus as the document store keeps it. */
export interface CorpusRecord extends CorpusRef {
  readonly corpusId: string;
  readonly settings: CorpusSettings;
  readonly versions: readonly CorpusVersion[];
  /** The version that the alias names. */
  readonly promotedVersion: number;
  /** Grows by one at each change; a writer states the one it read (optimistic concurrency). */
  readonly revision: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}
