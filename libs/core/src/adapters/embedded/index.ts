export { EmbeddedCandidateStore } from './embedded-candidate-store.js';
export type { EmbeddedOptions } from './embedded-database.js';
export { EmbeddedDocumentStore } from './embedded-document-store.js';
export { openEmbeddedStores, type EmbeddedStores } from './open-embedded-stores.js';
