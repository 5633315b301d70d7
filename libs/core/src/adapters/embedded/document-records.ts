import {
  isUnsettled,
  type CorpusIncarnation,
  type CorpusRecord,
  type CorpusRef,
  type Document,
  type Filter,
  type PendingDelete,
  type StoredDocument,
} from '../../domain/index.js';
import { RerankError } from '../../errors/index.js';
import type { DocumentPage } from '../../ports/index.js';
import { compileFilter } from '../../retrieval/index.js';
import type { EmbeddedDatabase } from './embedded-database.js';

const FIND_CORPUS = 'SELECT record FROM corpora WHERE tenant = ? AND corpus = ?';
const CORPUS_KEY = 'SELECT key FROM corpora WHERE tenant = ? AND corpus = ? AND corpus_id = ?';
const ALL_CORPORA = 'SELECT record FROM corpora';
const CREATE_CORPUS = 'INSERT INTO corpora (tenant, corpus, corpus_id, revision, record) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING';
const UPDATE_CORPUS = 'UPDATE corpora SET record = ?, revision = ? WHERE tenant = ? AND corpus = ? AND corpus_id = ? AND revision = ?';

/** A null body is a tombstone. */
const PUT_DOCUMENT = `
  INSERT INTO documents (corpus_key, document_id, seq, body) VALUES (?, ?, ?, ?)
  ON CONFLICT (corpus_key, document_id) DO UPDATE SET seq = excluded.seq, body = excluded.body WHERE seq < excluded.seq`;
const FIND_DOCUMENT = 'SELECT seq, body FROM documents WHERE corpus_key = ? AND document_id = ?';
const BURY_DOCUMENT = `
  INSERT INTO documents (corpus_key, document_id, seq, body) VALUES (?, ?, ?, NULL)
  ON CONFLICT (corpus_key, document_id) DO UPDATE SET seq = excluded.seq, body = NULL,
    taken = body IS NOT NULL OR (taken = 1 AND seq = excluded.seq) WHERE seq <= excluded.seq`;
const COUNT_DELETED = 'SELECT count(*) AS documents FROM documents WHERE corpus_key = ? AND body IS NULL AND seq = ? AND taken = 1';
const SCAN = `
  SELECT document_id, seq, body FROM documents
  WHERE corpus_key = ? AND document_id > ? AND body IS NOT NULL ORDER BY document_id`;
const COUNT = 'SELECT count(*) AS documents FROM documents WHERE corpus_key = ? AND body IS NOT NULL';
const BEGIN_DELETE = 'INSERT INTO pending_deletes (id, pending) VALUES (?, ?) ON CONFLICT DO NOTHING';
const PURGE = 'DELETE FROM documents WHERE corpus_key = ? AND body IS NULL AND seq < ?';

type Row = Record<string, unknown>;

/** Corpora and documents in SQLite; a document's body is JSON, so that any string survives. */
export class DocumentRecords {
  constructor(private readonly database: EmbeddedDatabase) {}

  createCorpus(record: CorpusRecord): boolean {
    const { tenant, corpus, corpusId, revision } = record;
    const run = () => this.database.statement(CREATE_CORPUS).run(tenant, corpus, corpusId, revision, JSON.stringify(record));
    return this.database.write(run).changes === 1;
  }

  findCorpus({ tenant, corpus }: CorpusRef): CorpusRecord | undefined {
    const row = this.database.read(() => this.database.statement(FIND_CORPUS).get(tenant, corpus));
    return row === undefined ? undefined : (JSON.parse(row['record'] as string) as CorpusRecord);
  }

  listCorpora(tenant: string): CorpusRecord[] {
    const rows = this.database.read(() =>
      this.database.statement('SELECT record FROM corpora WHERE tenant = ? ORDER BY corpus').all(tenant),
    );
    return rows.map((row) => JSON.parse(row['record'] as string) as CorpusRecord);
  }

  listAllCorpora(): CorpusRecord[] {
    const rows = this.database.read(() => this.database.statement(ALL_CORPORA).all());
    return rows.map((row) => JSON.parse(row['record'] as string) as CorpusRecord);
  }

  /** Corpora are few: their records are all read. */
  listUnsettled(): CorpusRef[] {
    return this.listAllCorpora()
      .filter(isUnsettled)
      .map(({ tenant, corpus }) => ({ tenant, corpus }));
  }

  updateCorpus(record: CorpusRecord): boolean {
    const { tenant, corpus, corpusId, revision } = record;
    const run = () => this.database.statement(UPDATE_CORPUS).run(JSON.stringify(record), revision, tenant, corpus, corpusId, revision - 1);
    return this.database.write(run).changes === 1;
  }

  deleteCorpus(corpus: CorpusIncarnation): boolean {
    return this.database.write(() => {
      const key = this.findCorpusKey(corpus);
      if (key === undefined) return false;
      this.database.statement('DELETE FROM documents WHERE corpus_key = ?').run(key);
      this.database.statement('DELETE FROM corpora WHERE key = ?').run(key);
      return true;
    });
  }

  putDocuments(corpus: CorpusIncarnation, documents: readonly StoredDocument[]): Set<string> {
    return this.database.write(() => {
      const key = this.corpusKey(corpus);
      const current = new Set<string>();
      for (const { seq, ...document } of documents) {
        this.database.statement(PUT_DOCUMENT).run(key, document.id, seq, JSON.stringify(document));
        const stored = this.database.statement(FIND_DOCUMENT).get(key, document.id)!;
        if (stored['seq'] === seq && stored['body'] !== null) current.add(document.id);
      }
      return current;
    });
  }

  buryDocuments(corpus: CorpusIncarnation, documentIds: readonly string[], seq: number): number {
    return this.database.write(() => {
      const key = this.corpusKey(corpus);
      let gone = 0;
      for (const id of documentIds) {
        const stored = this.database.statement(FIND_DOCUMENT).get(key, id);
        const changes = this.database.statement(BURY_DOCUMENT).run(key, id, seq).changes;
        if (changes === 1 && stored !== undefined && stored['body'] !== null) gone += 1;
      }
      return gone;
    });
  }

  findDocument(corpus: CorpusIncarnation, documentId: string): StoredDocument | undefined {
    const key = this.findCorpusKey(corpus);
    const row = key === undefined ? undefined : this.database.statement(FIND_DOCUMENT).get(key, documentId);
    return row === undefined || row['body'] === null ? undefined : storedDocument(row);
  }

  /** The whole corpus may be read to fill one page of a filter that few documents pass. */
  scanDocuments(
    corpus: CorpusIncarnation,
    { after = '', limit, filter }: { after?: string; limit: number; filter?: Filter },
  ): DocumentPage {
    const passes = filter === undefined ? () => true : compileFilter(filter);
    return this.database.read(() => {
      const key = this.findCorpusKey(corpus);
      const documents: StoredDocument[] = [];
      for (const row of key === undefined ? [] : this.database.statement(SCAN).iterate(key, after)) {
        const document = storedDocument(row);
        if (!passes(document.metadata)) continue;
        if (documents.length === limit) return { documents, next: documents.at(-1)!.id };
        documents.push(document);
      }
      return { documents };
    });
  }

  countDocuments(corpus: CorpusIncarnation): number {
    const key = this.findCorpusKey(corpus);
    return key === undefined ? 0 : (this.database.statement(COUNT).get(key)!['documents'] as number);
  }

  countDeleted(corpus: CorpusIncarnation, seq: number): number {
    const key = this.findCorpusKey(corpus);
    return key === undefined ? 0 : (this.database.statement(COUNT_DELETED).get(key, seq)!['documents'] as number);
  }

  purgeTombstones(corpus: CorpusIncarnation, belowSeq: number): void {
    this.database.write(() => {
      const key = this.findCorpusKey(corpus);
      if (key !== undefined) this.database.statement(PURGE).run(key, belowSeq);
    });
  }

  /** One that is there stays as it was begun. */
  beginDelete(pending: PendingDelete): void {
    this.database.write(() => this.database.statement(BEGIN_DELETE).run(pending.id, JSON.stringify(pending)));
  }

  endDelete(id: string): void {
    this.database.write(() => this.database.statement('DELETE FROM pending_deletes WHERE id = ?').run(id));
  }

  listPendingDeletes(): PendingDelete[] {
    const rows = this.database.read(() => this.database.statement('SELECT pending FROM pending_deletes').all());
    return rows.map((row) => JSON.parse(row['pending'] as string) as PendingDelete);
  }

  private findCorpusKey({ tenant, corpus, corpusId }: CorpusIncarnation): number | undefined {
    return this.database.statement(CORPUS_KEY).get(tenant, corpus, corpusId)?.['key'] as number | undefined;
  }

  private corpusKey(corpus: CorpusIncarnation): number {
    const key = this.findCorpusKey(corpus);
    if (key === undefined)
      throw new RerankError('corpus_not_found', 'The corpus is not there. It was deleted, or replaced by another of its name.');
    return key;
  }
}

function storedDocument(row: Row): StoredDocument {
  return { ...(JSON.parse(row['body'] as string) as Document), seq: row['seq'] as number };
}
