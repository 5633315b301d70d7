import { EmbeddedCandidateStore } from './embedded-candidate-store.js';
import { EmbeddedConnections } from './embedded-connections.js';
import { EmbeddedDatabase, type EmbeddedOptions } from './embedded-database.js';
import { EmbeddedDocumentStore } from './embedded-document-store.js';

export interface EmbeddedStores {
  readonly candidateStore: EmbeddedCandidateStore;
  readonly documentStore: EmbeddedDocumentStore;
}

/**
 * Opens the stores in a folder, making both where there are none. Any number of processes may open the same folder. Close both stores.
 *
 * @throws RerankError `candidate_store_unavailable` (damaged, newer, or not accessible), `storage_full`
 */
export function openEmbeddedStores(options: EmbeddedOptions): EmbeddedStores {
  // The schema is made read-write even for readers, which may be the first to come.
  const { readOnly: _, ...writable } = options;
  new EmbeddedDatabase(writable).close();
  const connections = new EmbeddedConnections(options, 2);
  return { candidateStore: new EmbeddedCandidateStore(connections), documentStore: new EmbeddedDocumentStore(connections) };
}
