import type { CorpusIncarnation, CorpusRecord, CorpusRef, Filter, PendingDelete, StoredDocument } from '../../domain/index.js';
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

  listAllCorpora(): Promise<readonly CorpusRecord[]> {
    return this.connections.read('listAllCorpora', []);
  }

  listUnsettled(): Promise<readonly CorpusRef[]> {
    return this.connections.read('listUnsettled', []);
  }

  updateCorpus(record: CorpusRecord): Promise<boolean> {
    return this.connections.write('updateCorpus', [record]);
  }

  deleteCorpus(corpus: CorpusIncarnation): Promise<boolean> {
    return this.connections.write('deleteCorpus', [corpus]);
  }

  putDocuments(corpus: CorpusIncarnation, documents: readonly StoredDocument[]): Promise<ReadonlySet<string>> {
    return this.connections.write('putDocuments', [corpus, documents]);
  }

  deleteDocuments(corpus: CorpusIncarnation, documentIds: readonly string[], seq: number): Promise<number> {
    return this.connections.write('buryDocuments', [corpus, documentIds, seq]);
  }

  countDeleted(corpus: CorpusIncarnation, seq: number): Promise<number> {
    return this.connections.read('countDeleted', [corpus, seq]);
  }

  findDocument(corpus: CorpusIncarnation, documentId: string): Promise<StoredDocument | undefined> {
    return this.connections.read('findDocument', [corpus, documentId]);
  }

  scanDocuments(
    corpus: CorpusIncarnation,
    options: { readonly after?: string; readonly limit: number; readonly filter?: Filter },
  ): Promise<DocumentPage> {
    return this.connections.read('scanDocuments', [corpus, options]);
  }

  countDocuments(corpus: CorpusIncarnation): Promise<number> {
    return this.connections.read('countDocuments', [corpus]);
  }

  beginDelete(pending: PendingDelete): Promise<void> {
    return this.connections.write('beginDelete', [pending]);
  }

  endDelete({ id }: Pick<PendingDelete, 'id'>): Promise<void> {
    return this.connections.write('endDelete', [id]);
  }

  listPendingDeletes(): Promise<readonly PendingDelete[]> {
    return this.connections.read('listPendingDeletes', []);
  }

  purgeTombstones(corpus: CorpusIncarnation, belowSeq: number): Promise<void> {
    return this.connections.write('purgeTombstones', [corpus, belowSeq]);
  }

  close(): Promise<void> {
    return this.connections.release(this);
  }
}
