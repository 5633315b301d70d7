import type { CorpusRecord, CorpusRef, Filter, StoredDocument } from '../../domain/index.js';
import type { DocumentPage, DocumentStore } from '../../ports/index.js';
import type { EmbeddedConnections } from './embedded-connections.js';

/** Corpora and documents in SQLite. The promoted version is in the record: there is no other alias. */
export class EmbeddedDocumentStore implements DocumentStore {
  constructor(private readonly connections: EmbeddedConnections) {}

  createCorpus(record: CorpusRecord): Promise<boolean> {
    return this.connections.write('createCorpus', [record]);
  }

  findCorpus(ref: CorpusRef): Promise<CorpusRecord | undefined> {
    return this.connections.read('findCorpus', [ref]);
  }

  listCorpora(tenant: string): Promise<readonly CorpusRecord[]> {
    return this.connections.read('listCorpora', [tenant]);
  }

  listUnsettled(): Promise<readonly CorpusRef[]> {
    return this.connections.read('listUnsettled', []);
  }

  updateCorpus(record: CorpusRecord): Promise<boolean> {
    return this.connections.write('updateCorpus', [record]);
  }

  deleteCorpus(ref: CorpusRef): Promise<boolean> {
    return this.connections.write('deleteCorpus', [ref]);
  }

  putDocuments(ref: CorpusRef, documents: readonly StoredDocument[]): Promise<ReadonlySet<string>> {
    return this.connections.write('putDocuments', [ref, documents]);
  }

  deleteDocuments(ref: CorpusRef, documentIds: readonly string[], seq: number): Promise<number> {
    return this.connections.write('buryDocuments', [ref, documentIds, seq]);
  }

  findDocument(ref: CorpusRef, documentId: string): Promise<StoredDocument | undefined> {
    return this.connections.read('findDocument', [ref, documentId]);
  }

  scanDocuments(
    ref: CorpusRef,
    options: { readonly after?: string; readonly limit: number; readonly filter?: Filter },
  ): Promise<DocumentPage> {
    return this.connections.read('scanDocuments', [ref, options]);
  }

  countDocuments(ref: CorpusRef): Promise<number> {
    return this.connections.read('countDocuments', [ref]);
  }

  purgeTombstones(ref: CorpusRef, belowSeq: number): Promise<void> {
    return this.connections.write('purgeTombstones', [ref, belowSeq]);
  }

  close(): Promise<void> {
    return this.connections.release(this);
  }
}
