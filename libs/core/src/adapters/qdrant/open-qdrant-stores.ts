import { QdrantCandidateStore } from './qdrant-candidate-store.js';
import { QdrantConnection, type QdrantOptions } from './qdrant-connection.js';
import { QdrantCorpora } from './qdrant-corpora.js';
import { QdrantDocumentStore } from './qdrant-document-store.js';

export interface QdrantStores {
  readonly candidateStore: QdrantCandidateStore;
  readonly documentStore: QdrantDocumentStore;
}

/** Stores on a Qdrant server of 1.18 or later. Connects at the first call. */
export function openQdrantStores(options: QdrantOptions): QdrantStores {
  const connection = new QdrantConnection(options);
  const corpora = new QdrantCorpora(connection);
  return { candidateStore: new QdrantCandidateStore(connection, corpora), documentStore: new QdrantDocumentStore(connection, corpora) };
}
