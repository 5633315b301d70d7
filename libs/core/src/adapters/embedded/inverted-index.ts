import type { SparseVector } from '../../domain/index.js';
import type { TopK } from './top-k.js';

interface Posting {
  rows: Uint32Array;
  weights: Float32Array;
  length: number;
}

export interface SparseScan {
  /** Rows that are not deleted: what the document frequencies count. A byte a row. */
  readonly live: Uint8Array;
  readonly liveCount: number;
  /** Rows that may be returned; the filter is in it. A byte a row. */
  readonly allowed: Uint8Array;
  readonly orders: Float64Array;
  readonly best: TopK;
}

/** Term → rows that hold it with their weights, ascending by row. Deleted rows stay until the index is built anew. */
export class InvertedIndex {
  private readonly postings = new Map<number, Posting>();
  private scores = new Float64Array(0);
  private touched = new Uint32Array(0);
  private touchedBy = new Uint32Array(0);
  private queryNumber = 0;

  push(row: number, vector: SparseVector): void {
    for (let i = 0; i < vector.indices.length; i += 1) this.pushTerm(vector.indices[i]!, row, vector.values[i]!);
  }

  /** Offers each allowed row that shares a term with `query`, with Σ q·d·ln((N − n + 0.5)/(n + 0.5) + 1). */
  search(query: SparseVector, scan: SparseScan): void {
    this.startQuery(scan.live.length);
    let count = 0;
    for (let i = 0; i < query.indices.length; i += 1) {
      const posting = this.postings.get(query.indices[i]!);
      if (posting === undefined) continue;
      const frequency = documentFrequency(posting, scan.live);
      const weight = query.values[i]! * Math.log((scan.liveCount - frequency + 0.5) / (frequency + 0.5) + 1);
      count = this.accumulate(posting, weight, scan.allowed, count);
    }
    for (let i = 0; i < count; i += 1) {
      const row = this.touched[i]!;
      const score = this.scores[row]!;
      if (score >= scan.best.floor) scan.best.offer(row, score, scan.orders[row]!);
    }
  }

  /** A copy with the rows renumbered by `newRow`, without those that it maps to −1. `newRow` keeps the order of rows. */
  renumbered(newRow: Int32Array): InvertedIndex {
    const copy = new InvertedIndex();
    for (const [term, posting] of this.postings) {
      for (let i = 0; i < posting.length; i += 1) {
        const row = newRow[posting.rows[i]!]!;
        if (row >= 0) copy.pushTerm(term, row, posting.weights[i]!);
      }
    }
    return copy;
  }

  private pushTerm(term: number, row: number, weight: number): void {
    let posting = this.postings.get(term);
    if (posting === undefined) {
      posting = { rows: new Uint32Array(2), weights: new Float32Array(2), length: 0 };
      this.postings.set(term, posting);
    }
    if (posting.length === posting.rows.length) {
      posting.rows = grown(posting.rows, Uint32Array);
      posting.weights = grown(posting.weights, Float32Array);
    }
    posting.rows[posting.length] = row;
    posting.weights[posting.length] = weight;
    posting.length += 1;
  }

  private accumulate({ rows, weights, length }: Posting, weight: number, allowed: Uint8Array, count: number): number {
    const { scores, touched, touchedBy, queryNumber } = this;
    for (let i = 0; i < length; i += 1) {
      const row = rows[i]!;
      if (allowed[row] === 0) continue;
      if (touchedBy[row] === queryNumber) {
        scores[row] = scores[row]! + weight * weights[i]!;
      } else {
        touchedBy[row] = queryNumber;
        scores[row] = weight * weights[i]!;
        touched[count] = row;
        count += 1;
      }
    }
    return count;
  }

  /** Marks which query touched a row instead of clearing all scores each time. */
  private startQuery(rows: number): void {
    this.queryNumber += 1;
    if (rows <= this.scores.length && this.queryNumber < 2 ** 32) return;
    this.scores = new Float64Array(rows);
    this.touched = new Uint32Array(rows);
    this.touchedBy = new Uint32Array(rows);
    this.queryNumber = 1;
  }
}

function documentFrequency(posting: Posting, live: Uint8Array): number {
  let frequency = 0;
  for (let i = 0; i < posting.length; i += 1) frequency += live[posting.rows[i]!]!;
  return frequency;
}

/** A copy of twice the length. */
export function grown<A extends Uint8Array | Uint32Array | Float32Array | Float64Array>(array: A, type: new (length: number) => A): A {
  const copy = new type(Math.max(16, array.length * 2));
  copy.set(array);
  return copy;
}
