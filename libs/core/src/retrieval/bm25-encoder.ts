import type { Bm25Constants, SparseVector } from '../domain/index.js';
import { languageRules, type LanguageRules } from './language-rules.js';
import { murmur3 } from './murmur3.js';
import { words } from './tokenize-words.js';

/** Terms whose hash is remembered; stemming is most of the cost of encoding, and words repeat. */
const MAX_REMEMBERED = 50_000;

/**
 * Turns text into sparse vectors whose dot product, with the store's IDF on the query side, is BM25. Terms that hash alike count as one.
 *
 * @throws RerankError `invalid_request` from the constructor, if the language is not known
 */
export class Bm25Encoder {
  private readonly rules: LanguageRules;
  /** Hash by word; undefined for a stop word. */
  private readonly remembered = new Map<string, number | undefined>();

  constructor(private readonly constants: Bm25Constants) {
    this.rules = languageRules(constants.language);
  }

  /** Weights tf·(k1 + 1) / (tf + k1·(1 − b + b·length/averageLength)): Robertson and Zaragoza (2009), equation 3.15, without the IDF. */
  encodePassage(text: string): SparseVector {
    const { k1, b, averageLength } = this.constants;
    const { counts, length } = this.termCounts(text, 'passage');
    const saturation = k1 * (1 - b + (b * length) / averageLength);
    return sparseVector(counts, (count) => (count * (k1 + 1)) / (count + saturation));
  }

  /** Weight 1 for each distinct term. */
  encodeQuery(text: string): SparseVector {
    return sparseVector(this.termCounts(text, 'query').counts, () => 1);
  }

  /** Terms of a passage after stop words: what `averageLength` is the mean of. */
  countTerms(text: string): number {
    return this.termCounts(text, 'passage').length;
  }

  private termCounts(text: string, role: 'passage' | 'query'): { counts: Map<number, number>; length: number } {
    const counts = new Map<number, number>();
    let length = 0;
    for (const word of words(text, role)) {
      const term = word.gram ? murmur3(word.text) : this.termOf(word.text);
      if (term === undefined) continue;
      counts.set(term, (counts.get(term) ?? 0) + 1);
      length += 1;
    }
    return { counts, length };
  }

  private termOf(word: string): number | undefined {
    const known = this.remembered.get(word);
    if (known !== undefined || this.remembered.has(word)) return known;
    const term = this.rules.stopWords.has(word) ? undefined : murmur3(this.rules.stem(word));
    if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
    this.remembered.set(word, term);
    return term;
  }
}

function sparseVector(counts: ReadonlyMap<number, number>, weigh: (count: number) => number): SparseVector {
  const indices = Uint32Array.from(counts.keys()).sort();
  return { indices, values: Float32Array.from(indices, (index) => weigh(counts.get(index)!)) };
}
