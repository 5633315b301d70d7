import type { Candidate, CorpusVersion, DocumentStamp, Filter, IndexedDocument } from '../../domain/index.js';
import type { CandidateStore, RetrieveRequest } from '../../ports/index.js';
import type { EmbeddedConnections } from './embedded-connections.js';

/** Exact search in this process over SQLite as the record: one machine, up to some 100,000 passages a version. */
export class EmbeddedCandidateStore implements CandidateStore {
  constructor(private readonly connections: EmbeddedConnections) {}

  createVersion(version: CorpusVersion): Promise<void> {
    return this.connections.write('createVersion', [version]);
  }

  dropVersion(version: CorpusVersion): Promise<void> {
    return this.connections.write('dropVersion', [version]);
  }

  writeDocuments(version: CorpusVersion, documents: readonly IndexedDocument[]): Promise<void> {
    return this.connections.write('writeDocuments', [version, documents]);
  }

  /** A write is one transaction, and leaves nothing. */
  removeLeftovers(): Promise<void> {
    return Promise.resolve();
  }

  removeLeftoversOfDeleted(): Promise<void> {
    return Promise.resolve();
  }

  deleteDocuments(version: CorpusVersion, documentIds: readonly string[], seq: number): Promise<void> {
    return this.connections.write('deleteIndexed', [version, documentIds, seq]);
  }

  restampDocuments(version: CorpusVersion, documents: readonly DocumentStamp[]): Promise<ReadonlySet<string>> {
    return this.connections.write('restampDocuments', [version, documents]);
  }

  documentSeqs(version: CorpusVersion, documentIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.connections.read('indexedSeqs', [version, documentIds]);
  }

  countDocuments(version: CorpusVersion): Promise<number> {
    return this.connections.read('countIndexed', [version]);
  }

  retrieve(version: CorpusVersion, { signal, ...query }: RetrieveRequest): Promise<readonly Candidate[]> {
    return this.connections.search('retrieve', [version, query], signal);
  }

  countPassages(version: CorpusVersion, filter?: Filter): Promise<number> {
    return this.connections.search('countPassages', [version, filter]);
  }

  close(): Promise<void> {
    return this.connections.release(this);
  }
}
