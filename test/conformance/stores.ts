import type { CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';

export interface Stores {
  readonly candidateStore: CandidateStore;
  readonly documentStore: DocumentStore;
}

export interface StoresFactory {
  /** Opens stores on the same data each time; the caller closes them. */
  open(): Promise<Stores>;
}
