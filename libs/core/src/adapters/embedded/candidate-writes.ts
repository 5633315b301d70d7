import type { CorpusVersion, DocumentStamp, IndexedDocument } from '../../domain/index.js';
import type { EmbeddedDatabase } from './embedded-database.js';
import { toBlob } from './typed-blobs.js';
import { findVersionKey, versionKey } from './version-keys.js';

const CREATE_VERSION = `
  INSERT INTO versions (tenant, corpus, corpus_id, version, dimensions) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO NOTHING`;

/** Writes nothing, and returns no row, if the document is there with this or a higher sequence number. */
const PUT_DOCUMENT = `
  INSERT INTO indexed_documents (version_key, document_id, seq, change, deleted, title, metadata, content_hash)
  VALUES ($version, $id, $seq, (SELECT coalesce(max(change), 0) + 1 FROM indexed_documents WHERE version_key = $version), 0, $title, $metadata, $hash)
  ON CONFLICT (version_key, document_id) DO UPDATE
    SET seq = excluded.seq, change = excluded.change, deleted = 0, title = excluded.title, metadata = excluded.metadata,
      content_hash = excluded.content_hash
    WHERE seq < excluded.seq
  RETURNING key`;

/** Leaves a tombstone; returns no row if the document is there with a higher sequence number. */
const DELETE_DOCUMENT = `
  INSERT INTO indexed_documents (version_key, document_id, seq, change, deleted)
  VALUES ($version, $id, $seq, (SELECT coalesce(max(change), 0) + 1 FROM indexed_documents WHERE version_key = $version), 1)
  ON CONFLICT (version_key, document_id) DO UPDATE
    SET seq = excluded.seq, change = excluded.change, deleted = 1, title = NULL, metadata = NULL, content_hash = NULL
    WHERE seq <= excluded.seq
  RETURNING key`;

/** Readers have nothing to apply, so the change keeps its number. */
const RESTAMP_DOCUMENT = `
  UPDATE indexed_documents SET seq = $seq
  WHERE version_key = $version AND document_id = $id AND deleted = 0 AND content_hash = $hash AND seq <= $seq`;

const PUT_PASSAGE = `
  INSERT INTO passages (version_key, document_key, ordinal, start_offset, end_offset, dense, terms, weights, text)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const DELETE_PASSAGES = 'DELETE FROM passages WHERE document_key = ?';

export function createVersion(database: EmbeddedDatabase, version: CorpusVersion): void {
  const { tenant, corpus, corpusId, embedder } = version;
  database.write(() => database.statement(CREATE_VERSION).run(tenant, corpus, corpusId, version.version, embedder.dimensions));
}

export function dropVersion(database: EmbeddedDatabase, version: CorpusVersion): void {
  database.write(() => {
    const key = findVersionKey(database, version);
    if (key === undefined) return;
    database.statement('DELETE FROM passages WHERE version_key = ?').run(key);
    database.statement('DELETE FROM indexed_documents WHERE version_key = ?').run(key);
    database.statement('DELETE FROM versions WHERE key = ?').run(key);
  });
}

export function writeDocuments(database: EmbeddedDatabase, version: CorpusVersion, documents: readonly IndexedDocument[]): void {
  database.write(() => {
    const key = versionKey(database, version);
    for (const document of documents) writeDocument(database, key, document);
  });
}

function writeDocument(database: EmbeddedDatabase, version: number, document: IndexedDocument): void {
  const row = database.statement(PUT_DOCUMENT).get({
    version,
    id: document.documentId,
    seq: document.seq,
    title: document.title ?? null,
    metadata: document.metadata === undefined ? null : JSON.stringify(document.metadata),
    hash: document.contentHash,
  });
  if (row === undefined) return;
  const documentKey = row['key'] as number;
  database.statement(DELETE_PASSAGES).run(documentKey);
  const put = database.statement(PUT_PASSAGE);
  for (const { index, start, end, text, dense, bm25 } of document.passages) {
    put.run(version, documentKey, index, start, end, toBlob(dense), toBlob(bm25.indices), toBlob(bm25.values), text);
  }
}

export function deleteDocuments(database: EmbeddedDatabase, version: CorpusVersion, documentIds: readonly string[], seq: number): void {
  database.write(() => {
    const key = versionKey(database, version);
    for (const id of documentIds) {
      const row = database.statement(DELETE_DOCUMENT).get({ version: key, id, seq });
      if (row !== undefined) database.statement(DELETE_PASSAGES).run(row['key'] as number);
    }
  });
}

/** Resolves to the ids that now stand with that content and `seq`. */
export function restampDocuments(database: EmbeddedDatabase, version: CorpusVersion, documents: readonly DocumentStamp[]): Set<string> {
  return database.write(() => {
    const key = versionKey(database, version);
    const run = database.statement(RESTAMP_DOCUMENT);
    const stamped = documents.filter(
      ({ documentId: id, contentHash: hash, seq }) => run.run({ version: key, id, hash, seq }).changes === 1,
    );
    return new Set(stamped.map(({ documentId }) => documentId));
  });
}
