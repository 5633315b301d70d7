export const SCHEMA_VERSION = 4;

/**
 * `indexed_documents` is the table of changes too: each write gives its row the version's next `change`, so a reader that remembers the
 * last one it applied finds what is new by index. Keeping only a document's latest change bounds the log, and a first load is the same
 * query from zero. Rows of deleted documents stay as tombstones until the version goes.
 *
 * A document without a body is a tombstone; `taken` says whether the delete of its `seq` found a live document there.
 *
 * Vectors are little-endian arrays: `dense` float32, `terms` uint32, `weights` float32. `text` comes last, so that loading vectors does
 * not read it. `versions.key` is never reused, so that an index kept in memory cannot be taken for another's.
 */
export const SCHEMA = `
  CREATE TABLE corpora (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    corpus TEXT NOT NULL,
    corpus_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (tenant, corpus)
  ) STRICT;

  CREATE TABLE documents (
    corpus_key INTEGER NOT NULL,
    document_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    body TEXT,
    taken INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (corpus_key, document_id)
  ) STRICT;
  CREATE INDEX document_tombstones ON documents (corpus_key, seq) WHERE body IS NULL;

  CREATE TABLE pending_deletes (
    id TEXT PRIMARY KEY,
    pending TEXT NOT NULL
  ) STRICT;

  CREATE TABLE versions (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    corpus TEXT NOT NULL,
    corpus_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    UNIQUE (tenant, corpus, corpus_id, version)
  ) STRICT;

  CREATE TABLE indexed_documents (
    key INTEGER PRIMARY KEY,
    version_key INTEGER NOT NULL,
    document_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    change INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    title TEXT,
    metadata TEXT,
    content_hash TEXT,
    UNIQUE (version_key, document_id)
  ) STRICT;
  CREATE UNIQUE INDEX indexed_documents_by_change ON indexed_documents (version_key, change);

  CREATE TABLE passages (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    version_key INTEGER NOT NULL,
    document_key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    start_offset INTEGER NOT NULL,
    end_offset INTEGER NOT NULL,
    dense BLOB NOT NULL,
    terms BLOB NOT NULL,
    weights BLOB NOT NULL,
    text TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX passages_by_document ON passages (document_key, ordinal);
  CREATE INDEX passages_by_version ON passages (version_key, ordinal);

  PRAGMA user_version = ${String(SCHEMA_VERSION)};
`;

/** From the schema of the number before, by that number. Documents of schema 1 have no content hash: sent again, they are written again. */
export const MIGRATIONS: ReadonlyMap<number, string> = new Map([
  [
    1,
    `
    ALTER TABLE indexed_documents ADD COLUMN content_hash TEXT;
    DROP INDEX passages_by_version;
    CREATE INDEX passages_by_version ON passages (version_key, ordinal);
    PRAGMA user_version = 2;
  `,
  ],
  [
    2,
    `
    CREATE TABLE pending_deletes (
      id TEXT PRIMARY KEY,
      pending TEXT NOT NULL
    ) STRICT;
    PRAGMA user_version = 3;
  `,
  ],
  [
    3,
    `
    ALTER TABLE documents ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;
    PRAGMA user_version = 4;
  `,
  ],
]);
