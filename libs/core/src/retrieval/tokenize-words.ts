/**
 * A run of letters, digits and marks. Scripts that put no spaces between words, and Hangul with its particles, make runs of their own.
 */
const UNSPACED =
  '\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Hangul}\\p{sc=Bopomofo}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}ー';
const RUNS = new RegExp(`(?<unspaced>[[${UNSPACED}]&&[\\p{L}\\p{N}\\p{M}]]+)|[[\\p{L}\\p{N}\\p{M}]--[${UNSPACED}]]+`, 'gv');

export interface Word {
  readonly text: string;
  /** Character n-grams of an unspaced script: no stemming, no stop words. */
  readonly gram: boolean;
}

/**
 * Words of a text after NFKC and lower-casing. Unspaced runs become character bigrams, not dictionary words: the dictionaries of
 * `Intl.Segmenter` change with the ICU release, and passages and queries must be cut alike for the life of a version.
 *
 * Passages also give each character, so that a query of one character finds it; a query gives it only where a run has no bigram.
 */
export function* words(text: string, role: 'passage' | 'query'): Generator<Word> {
  for (const match of text.normalize('NFKC').toLowerCase().matchAll(RUNS)) {
    if (match.groups?.unspaced === undefined) yield { text: match[0], gram: false };
    else yield* grams(match[0], role);
  }
}

function* grams(run: string, role: 'passage' | 'query'): Generator<Word> {
  const characters = Array.from(run);
  for (const [i, character] of characters.entries()) {
    if (role === 'passage' || characters.length === 1) yield { text: character, gram: true };
    const next = characters[i + 1];
    if (next !== undefined) yield { text: character + next, gram: true };
  }
}
