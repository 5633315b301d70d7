import type { Bm25Constants, SparseVector } from '../domain/index.js';
import { languageRules, type LanguageRules } from './language-rules.js';
import { murmur3 } from './murmur3.js';
import { finish, type Steps } from './steps.js';
import { TermList } from './term-list.js';
import { tellWords } from './tokenize-words.js';

/** Terms whose hash is remembered; stemming is most of the cost of encoding, and words repeat. */
const MAX_REMEMBERED = 50_000;
/** Longer runs of letters are codes and addresses: they seldom repeat, and a few of them would fill the memory. */
const LONGEST_REMEMBERED = 40;

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
    return finish(this.encodePassageSteps(text));
  }

  /** `encodePassage` for texts of any length on a thread that others wait for. */
  *encodePassageSteps(text: string): Steps<SparseVector> {
    const { k1, b, averageLength } = this.constants;
    const terms = yield* this.terms(text, 'passage');
    const saturation = k1 * (1 - b + (b * terms.length) / averageLength);
    return yield* terms.weighed((count) => (count * (k1 + 1)) / (count + saturation));
  }

  /** Weight 1 for each distinct term. */
  encodeQuery(text: string): SparseVector {
    return finish(finish(this.terms(text, 'query')).weighed(() => 1));
  }

  /** Terms of a passage after stop words: what `averageLength` is the mean of. */
  countTerms(text: string): number {
    return finish(this.terms(text, 'passage')).length;
  }

  private *terms(text: string, role: 'passage' | 'query'): Steps<TermList> {
    const terms = new TermList();
    yield* tellWords(text, role, (word, gram) => {
      const term = gram ? murmur3(word) : this.termOf(word);
      if (term !== undefined) terms.push(term);
    });
    return terms;
  }

  private termOf(word: string): number | undefined {
    const known = this.remembered.get(word);
    if (known !== undefined || this.remembered.has(word)) return known;
    const term = this.rules.stopWords.has(word) ? undefined : murmur3(this.rules.stem(word));
    if (word.length > LONGEST_REMEMBERED) return term;
    if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
    this.remembered.set(word, term);
    return term;
  }
}
