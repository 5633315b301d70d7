import { QdrantCandidateStore } from './qdrant-candidate-store.js';
import { QdrantConnection, type QdrantOptions } from './qdrant-connection.js';
import { QdrantCorpora } from './qdrant-corpora.js';
import { QdrantDocumentStore } from './qdrant-document-store.js';

export interface QdrantStores {
  readonly candidateStore: QdrantCandidateStore;
  readonly documentStore: QdrantDocumentStore;
}

export interface OpenQdrantOptions extends QdrantOptions {
  /** When what a write of unknown fate may have left is looked for, in milliseconds after it. */
  readonly lateLooksMs?: readonly number[];
}

/** Stores on a Qdrant server of 1.18 or later. Connects at the first call. */
export function openQdrantStores({ lateLooksMs, ...options }: OpenQdrantOptions): QdrantStores {
  const connection = new QdrantConnection(options);
  const corpora = new QdrantCorpora(connection);
  const candidateStore = new QdrantCandidateStore(connection, corpora, lateLooksMs);
  return { candidateStore, documentStore: new QdrantDocumentStore(connection, corpora) };
}
