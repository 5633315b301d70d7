import type { Metadata } from '../../domain/index.js';
import type { EmbeddedDatabase } from './embedded-database.js';
import { PassageIndex, type PassageVectors } from './passage-index.js';
import { float32Of, uint32Of } from './typed-blobs.js';

/** Documents in the order of their changes, a row a passage; one row without a passage where there is none. */
const CHANGED = `
  SELECT d.document_id, d.change, d.deleted, d.metadata, p.key, p.dense, p.terms, p.weights
  FROM indexed_documents d LEFT JOIN passages p ON p.document_key = d.key
  WHERE d.version_key = ? AND d.change > ? ORDER BY d.change, p.ordinal`;

interface ChangedDocument {
  readonly documentId: string;
  readonly change: number;
  readonly isDeleted: boolean;
  readonly metadata: unknown;
  readonly passages: PassageVectors[];
}

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

  /**
   * Applies what was written since the last call, by any process, up to `mostDocuments`. Call it inside the transaction of the search.
   *
   * @returns whether that was all
   */
  applyChanges(mostDocuments = Infinity): boolean {
    let changed: ChangedDocument | undefined;
    let applied = 0;
    for (const row of this.database.statement(CHANGED).iterate(this.versionKey, this.lastChange)) {
      if (changed === undefined || changed.change !== row['change']) {
        if (changed !== undefined) this.apply(changed);
        if (applied === mostDocuments) return false;
        changed = changedDocument(row);
        applied += 1;
      }
      if (row['key'] !== null) changed.passages.push(passageVectors(row));
    }
    if (changed !== undefined) this.apply(changed);
    return true;
  }

  private apply({ documentId, change, isDeleted, metadata, passages }: ChangedDocument): void {
    if (isDeleted) this.passages.delete(documentId);
    else this.passages.put(documentId, metadata === null ? undefined : (JSON.parse(metadata as string) as Metadata), passages);
    this.lastChange = change;
  }
}

type Row = Record<string, unknown>;

function changedDocument(row: Row): ChangedDocument {
  return {
    documentId: row['document_id'] as string,
    change: row['change'] as number,
    isDeleted: row['deleted'] === 1,
    metadata: row['metadata'],
    passages: [],
  };
}

function passageVectors(row: Row): PassageVectors {
  return {
    key: row['key'] as number,
    dense: float32Of(row['dense']),
    bm25: { indices: uint32Of(row['terms']), values: float32Of(row['weights']) },
  };
}
