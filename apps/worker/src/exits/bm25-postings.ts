import type { SparseVector } from '@rerank-fleet/core/domain';

interface Posting {
  readonly position: number;
  readonly weight: number;
}

/** Passages by the terms of their BM25 vectors, in memory: candidates as a first stage would send them. */
export class Bm25Postings {
  readonly #postings = new Map<number, Posting[]>();
  readonly #passages: number;

  constructor(vectors: readonly SparseVector[]) {
    this.#passages = vectors.length;
    vectors.forEach(({ indices, values }, position) =>
      indices.forEach((term, at) => {
        const list = this.#postings.get(term);
        const posting = { position, weight: values[at]! };
        if (list === undefined) this.#postings.set(term, [posting]);
        else list.push(posting);
      }),
    );
  }

  /** Positions of the best passages for the terms of a query, best first. IDF as in Robertson and Zaragoza (2009), with 1 added so that it is never negative. */
  best(terms: Uint32Array, depth: number): number[] {
    const scores = new Map<number, number>();
    for (const term of terms) {
      const list = this.#postings.get(term) ?? [];
      const idf = Math.log(1 + (this.#passages - list.length + 0.5) / (list.length + 0.5));
      for (const { position, weight } of list) scores.set(position, (scores.get(position) ?? 0) + idf * weight);
    }
    const ranked = [...scores].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    return ranked.slice(0, depth).map(([position]) => position);
  }
}
