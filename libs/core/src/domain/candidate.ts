import type { Metadata, Passage } from './document.js';

/** A passage that first-stage retrieval returned. */
export interface Candidate {
  readonly documentId: string;
  readonly passage: Passage;
  readonly title?: string;
  readonly metadata?: Metadata;
  readonly firstStage: {
    /** Cosine for `dense`, BM25 for `sparse`, reciprocal rank fusion for `hybrid`. */
    readonly score: number;
    /** Counts from 1. */
    readonly rank: number;
  };
}

export type RetrievalMode = 'hybrid' | 'dense' | 'sparse';
