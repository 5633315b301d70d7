export { openQdrantStores, type QdrantStores } from './open-qdrant-stores.js';
export { QdrantCandidateStore } from './qdrant-candidate-store.js';
export type { QdrantOptions } from './qdrant-connection.js';
export { QdrantDocumentStore } from './qdrant-document-store.js';
