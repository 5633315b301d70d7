import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { IndexedDocument, StoredDocument } from '@rerank-fleet/core/domain';
import { recordOf, versionOf } from './store-fixtures.js';

/** The tables as the first release made them. */
const SCHEMA_1 = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE corpora (key INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, corpus TEXT NOT NULL, corpus_id TEXT NOT NULL,
    revision INTEGER NOT NULL, record TEXT NOT NULL, UNIQUE (tenant, corpus)) STRICT;
  CREATE TABLE documents (corpus_key INTEGER NOT NULL, document_id TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT,
    PRIMARY KEY (corpus_key, document_id)) STRICT;
  CREATE INDEX document_tombstones ON documents (corpus_key, seq) WHERE body IS NULL;
  CREATE TABLE versions (key INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, corpus TEXT NOT NULL, corpus_id TEXT NOT NULL,
    version INTEGER NOT NULL, dimensions INTEGER NOT NULL, UNIQUE (tenant, corpus, corpus_id, version)) STRICT;
  CREATE TABLE indexed_documents (key INTEGER PRIMARY KEY, version_key INTEGER NOT NULL, document_id TEXT NOT NULL, seq INTEGER NOT NULL,
    change INTEGER NOT NULL, deleted INTEGER NOT NULL, title TEXT, metadata TEXT, UNIQUE (version_key, document_id)) STRICT;
  CREATE UNIQUE INDEX indexed_documents_by_change ON indexed_documents (version_key, change);
  CREATE TABLE passages (key INTEGER PRIMARY KEY AUTOINCREMENT, version_key INTEGER NOT NULL, document_key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL, start_offset INTEGER NOT NULL, end_offset INTEGER NOT NULL, dense BLOB NOT NULL, terms BLOB NOT NULL,
    weights BLOB NOT NULL, text TEXT NOT NULL) STRICT;
  CREATE UNIQUE INDEX passages_by_document ON passages (document_key, ordinal);
  CREATE INDEX passages_by_version ON passages (version_key);
  PRAGMA user_version = 1;
`;

export interface FirstRelease {
  readonly tenant: string;
  readonly documents: readonly StoredDocument[];
  readonly indexed: readonly IndexedDocument[];
}

/** A state directory as the first release left it: a corpus with its first version. */
export function writeSchema1(directory: string, { tenant, documents, indexed }: FirstRelease): void {
  mkdirSync(directory, { recursive: true });
  const database = new DatabaseSync(join(directory, 'embedded.sqlite'));
  database.exec(SCHEMA_1);
  const record = recordOf(versionOf(tenant));
  database
    .prepare('INSERT INTO corpora (tenant, corpus, corpus_id, revision, record) VALUES (?, ?, ?, 1, ?)')
    .run(tenant, record.corpus, record.corpusId, JSON.stringify(record));
  database
    .prepare('INSERT INTO versions (tenant, corpus, corpus_id, version, dimensions) VALUES (?, ?, ?, 1, ?)')
    .run(tenant, record.corpus, record.corpusId, record.versions[0]!.embedder.dimensions);
  const document = database.prepare('INSERT INTO documents VALUES (1, ?, ?, ?)');
  for (const { seq, ...body } of documents) document.run(body.id, seq, JSON.stringify(body));
  const entry = database.prepare('INSERT INTO indexed_documents VALUES (?, 1, ?, ?, ?, 0, ?, ?)');
  const passage = database.prepare(
    'INSERT INTO passages (version_key, document_key, ordinal, start_offset, end_offset, dense, terms, weights, text) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  for (const [n, { documentId, seq, title, metadata, passages }] of indexed.entries()) {
    entry.run(n + 1, documentId, seq, n + 1, title ?? null, metadata === undefined ? null : JSON.stringify(metadata));
    for (const { index, start, end, dense, bm25, text } of passages) {
      passage.run(n + 1, index, start, end, bytesOf(dense), bytesOf(bm25.indices), bytesOf(bm25.values), text);
    }
  }
  database.close();
}

function bytesOf(array: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
