import type { CorpusVersion, Filter, IndexedDocument, SparseVector } from '@rerank-fleet/core/domain';
import { SeededRandom } from '@rerank-fleet/worker/exits/seeded-random';

export const DIMENSIONS = 384;
const VOCABULARY = 200_000;
/** Of Zipf's law as Mandelbrot has it, frequency ∝ 1 / (rank + SHIFT): stop words, the first of them, are gone. */
const SHIFT = 50;
/** Terms of a passage, repeats included, and of a query. */
const TERMS = { least: 40, most: 160 };
const QUERY_TERMS = { least: 3, most: 8 };
const K1 = 1.2;
const B = 0.75;
const LANGUAGES = ['en', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'pl'];
const FIRST_YEAR = 2_000;
const YEARS = 25;

/** About an eighth of the passages. */
export const FILTER: Filter = { must: [{ key: 'lang', match: { value: 'en' } }] };

export const VERSION: CorpusVersion = {
  tenant: 'bench',
  corpus: 'made-up',
  version: 1,
  corpusId: '9b2f5f5e-5c0a-4f57-9a39-3f9a5a1f6a10',
  embedder: { name: 'made-up', sha256: '0'.repeat(64), dimensions: DIMENSIONS },
  chunking: { mode: 'none', maxTokens: 256, overlapTokens: 32 },
  bm25: { k1: K1, b: B, averageLength: 100, language: 'none', termHash: 'murmur3-32' },
  fields: { lang: 'keyword', year: 'integer' },
  createdAt: 0,
};

/** The same passages and queries for the same seed: vectors of unit length in random directions, terms as frequent as words are. */
export class MadeUpPassages {
  readonly #random: SeededRandom;
  #documents = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** One passage a document. */
  document(): IndexedDocument {
    const number = (this.#documents += 1);
    const text = `Passage ${number} `.padEnd(700, 'of no meaning ');
    return {
      documentId: `document-${number}`,
      seq: 1,
      contentHash: `${number}`,
      metadata: { lang: this.#pick(LANGUAGES), year: FIRST_YEAR + Math.floor(this.#random.uniform() * YEARS) },
      passages: [{ index: 0, start: 0, end: text.length, text, dense: this.vector(), bm25: this.#terms() }],
    };
  }

  /** Of normal deviates (Box and Muller 1958): no direction is favoured. */
  vector(): Float32Array {
    const vector = Float32Array.from({ length: DIMENSIONS }, () => this.#random.normal());
    const length = Math.hypot(...vector);
    return vector.map((value) => value / length);
  }

  query(): SparseVector {
    const terms = new Set(Array.from({ length: this.#between(QUERY_TERMS) }, () => this.#term()));
    const indices = Uint32Array.from(terms).sort();
    return { indices, values: new Float32Array(indices.length).fill(1) };
  }

  #terms(): SparseVector {
    const length = this.#between(TERMS);
    const counts = new Map<number, number>();
    for (let at = 0; at < length; at += 1) {
      const term = this.#term();
      counts.set(term, (counts.get(term) ?? 0) + 1);
    }
    const indices = Uint32Array.from(counts.keys()).sort();
    const saturation = K1 * (1 - B + (B * length) / ((TERMS.least + TERMS.most) / 2));
    const weight = (count: number): number => (count * (K1 + 1)) / (count + saturation);
    return { indices, values: Float32Array.from(indices, (term) => weight(counts.get(term)!)) };
  }

  /** By the inverse of the distribution's integral. */
  #term(): number {
    return Math.floor(SHIFT * (((VOCABULARY + SHIFT) / SHIFT) ** this.#random.uniform() - 1));
  }

  #between({ least, most }: { readonly least: number; readonly most: number }): number {
    return least + Math.floor(this.#random.uniform() * (most - least + 1));
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random.uniform() * values.length)]!;
  }
}
