import type { Metadata } from '../../domain/index.js';
import type { EmbeddedDatabase } from './embedded-database.js';
import { PassageIndex, type PassageVectors } from './passage-index.js';
import { float32Of, uint32Of } from './typed-blobs.js';

const CHANGED = `
  SELECT key, document_id, change, deleted, metadata FROM indexed_documents
  WHERE version_key = ? AND change > ? ORDER BY change`;

const VECTORS = 'SELECT key, dense, terms, weights FROM passages WHERE document_key = ? ORDER BY ordinal';

/** A version's passages in memory, and the last change that is in them. */
export class VersionIndex {
  readonly passages: PassageIndex;
  private lastChange = 0;

  constructor(
    private readonly database: EmbeddedDatabase,
    private readonly versionKey: number,
    dimensions: number,
  ) {
    this.passages = new PassageIndex(dimensions);
  }

  /** Applies what was written since the last call, by any process. Call it inside the transaction of the search. */
  applyChanges(): void {
    for (const row of this.database.statement(CHANGED).iterate(this.versionKey, this.lastChange)) {
      const documentId = row['document_id'] as string;
      if (row['deleted'] === 1) {
        this.passages.delete(documentId);
      } else {
        const metadata = row['metadata'] === null ? undefined : (JSON.parse(row['metadata'] as string) as Metadata);
        this.passages.put(documentId, metadata, this.vectorsOf(row['key'] as number));
      }
      this.lastChange = row['change'] as number;
    }
  }

  private vectorsOf(documentKey: number): PassageVectors[] {
    return this.database
      .statement(VECTORS)
      .all(documentKey)
      .map((row) => ({
        key: row['key'] as number,
        dense: float32Of(row['dense']),
        bm25: { indices: uint32Of(row['terms']), values: float32Of(row['weights']) },
      }));
  }
}
