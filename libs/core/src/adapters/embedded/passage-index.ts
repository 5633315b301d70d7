import type { Filter, Metadata, RetrievalMode, SparseVector } from '../../domain/index.js';
import { RerankError, invariant } from '../../errors/index.js';
import { compileFilter, reciprocalRankFusion } from '../../retrieval/index.js';
import { DenseMatrix, unitScale } from './dense-matrix.js';
import { InvertedIndex, grown } from './inverted-index.js';
import { TopK } from './top-k.js';

export interface PassageVectors {
  /** Identity of the passage; breaks ties of the score, lowest first, so it must be the same in every process. */
  readonly key: number;
  /** `[dimensions]` */
  readonly dense: Float32Array;
  readonly bm25: SparseVector;
}

export interface PassageQuery {
  readonly mode: RetrievalMode;
  readonly dense?: Float32Array;
  readonly sparse?: SparseVector;
  readonly filter?: Filter;
  readonly limit: number;
}

export interface PassageHit {
  readonly key: number;
  readonly score: number;
}

interface DocumentEntry {
  readonly metadata: Metadata | undefined;
  readonly rows: readonly number[];
}

/** Deleted rows that are worth a rebuild: at least this many, and a third of the living. */
const MIN_DEAD_ROWS = 1024;

/** Filters whose rows are remembered until the next change: few are in use at a time, and each takes a byte a row. */
const FILTERS_KEPT = 16;

/** A version's passages in memory: exact dense and BM25 scoring, filters, fusion. Holds no text. */
export class PassageIndex {
  private readonly documents = new Map<string, DocumentEntry>();
  private dense: DenseMatrix;
  private inverted = new InvertedIndex();
  private keys = new Float64Array(16);
  private live = new Uint8Array(16);
  private rowCount = 0;
  private liveCount = 0;
  /** By the filter as JSON, the one used last at the end. */
  private readonly passing = new Map<string, Uint8Array>();

  constructor(private readonly dimensions: number) {
    this.dense = new DenseMatrix(dimensions);
  }

  /** Living passages. */
  get size(): number {
    return this.liveCount;
  }

  /** Rows held, the deleted included. */
  get rows(): number {
    return this.rowCount;
  }

  /** Adds a document, or replaces the one with this id. */
  put(documentId: string, metadata: Metadata | undefined, passages: Iterable<PassageVectors>): void {
    this.delete(documentId);
    this.passing.clear();
    const rows: number[] = [];
    for (const passage of passages) rows.push(this.addRow(passage));
    this.documents.set(documentId, { metadata, rows });
  }

  delete(documentId: string): void {
    const entry = this.documents.get(documentId);
    if (entry === undefined) return;
    this.documents.delete(documentId);
    this.passing.clear();
    for (const row of entry.rows) this.live[row] = 0;
    this.liveCount -= entry.rows.length;
    const dead = this.rowCount - this.liveCount;
    if (dead >= MIN_DEAD_ROWS && dead * 3 >= this.liveCount) this.compact();
  }

  /** Best first; equal scores by key. */
  search(query: PassageQuery): PassageHit[] {
    invariant(query.limit >= 1, 'A search for no passages.');
    const allowed = query.filter === undefined ? this.liveRows() : this.rowsThatPass(query.filter);
    if (query.mode === 'dense') return this.searchDense(query, allowed);
    if (query.mode === 'sparse') return this.searchSparse(query, allowed);
    const lists = [this.searchDense(query, allowed), this.searchSparse(query, allowed)];
    const fused = reciprocalRankFusion(lists.map((hits) => hits.map((hit) => hit.key)));
    return fused.slice(0, query.limit).map(({ item, score }) => ({ key: item, score }));
  }

  /** Passages whose document passes. */
  count(filter: Filter): number {
    return this.rowsThatPass(filter).reduce((sum, byte) => sum + byte, 0);
  }

  private searchDense(query: PassageQuery, allowed: Uint8Array): PassageHit[] {
    invariant(query.dense, 'A dense search without a vector.');
    if (query.dense.length !== this.dimensions) {
      const detail = `The query vector has ${String(query.dense.length)} dimensions, the version ${String(this.dimensions)}.`;
      throw new RerankError('invalid_request', detail);
    }
    const best = new TopK(Math.min(query.limit, Math.max(1, this.liveCount)));
    const scale = unitScale(query.dense);
    const unit = query.dense.map((value) => value * scale);
    this.dense.search(unit, allowed, this.keys, best);
    return this.hits(best);
  }

  private searchSparse(query: PassageQuery, allowed: Uint8Array): PassageHit[] {
    invariant(query.sparse, 'A sparse search without a vector.');
    const best = new TopK(Math.min(query.limit, Math.max(1, this.liveCount)));
    this.inverted.search(query.sparse, { live: this.liveRows(), liveCount: this.liveCount, allowed, orders: this.keys, best });
    return this.hits(best);
  }

  private hits(best: TopK): PassageHit[] {
    return best.ranked().map(({ row, score }) => ({ key: this.keys[row]!, score }));
  }

  private liveRows(): Uint8Array {
    return this.live.subarray(0, this.rowCount);
  }

  /** A look at each document, unless the filter was asked for since the last change. */
  private rowsThatPass(filter: Filter): Uint8Array {
    const key = JSON.stringify(filter);
    const allowed = this.passing.get(key) ?? this.lookThrough(filter);
    this.passing.delete(key);
    this.passing.set(key, allowed);
    const [oldest] = this.passing.keys();
    if (this.passing.size > FILTERS_KEPT && oldest !== undefined) this.passing.delete(oldest);
    return allowed;
  }

  private lookThrough(filter: Filter): Uint8Array {
    const passes = compileFilter(filter);
    const allowed = new Uint8Array(this.rowCount);
    for (const { metadata, rows } of this.documents.values()) {
      if (passes(metadata)) for (const row of rows) allowed[row] = 1;
    }
    return allowed;
  }

  private addRow({ key, dense, bm25 }: PassageVectors): number {
    invariant(dense.length === this.dimensions, 'A passage vector of another length than the version has.');
    const row = this.rowCount;
    if (row === this.keys.length) {
      this.keys = grown(this.keys, Float64Array);
      this.live = grown(this.live, Uint8Array);
    }
    this.dense.push(dense, unitScale(dense));
    this.inverted.push(row, bm25);
    this.keys[row] = key;
    this.live[row] = 1;
    this.rowCount += 1;
    this.liveCount += 1;
    return row;
  }

  private compact(): void {
    const newRow = new Int32Array(this.rowCount).fill(-1);
    const dense = new DenseMatrix(this.dimensions);
    const keys = new Float64Array(Math.max(16, this.liveCount));
    let next = 0;
    for (let row = 0; row < this.rowCount; row += 1) {
      if (this.live[row] === 0) continue;
      dense.push(this.dense.row(row));
      keys[next] = this.keys[row]!;
      newRow[row] = next;
      next += 1;
    }
    for (const [id, { metadata, rows }] of this.documents) this.documents.set(id, { metadata, rows: rows.map((row) => newRow[row]!) });
    this.inverted = this.inverted.renumbered(newRow);
    this.dense = dense;
    this.keys = keys;
    this.live = new Uint8Array(keys.length).fill(1, 0, next);
    this.rowCount = next;
  }
}
