import type { Steps } from './steps.js';

/**
 * A run of letters, digits and marks. Scripts that put no spaces between words, and Hangul with its particles, make runs of their own.
 */
const UNSPACED =
  '\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Hangul}\\p{sc=Bopomofo}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}ー';
const RUNS = new RegExp(`(?<unspaced>[[${UNSPACED}]&&[\\p{L}\\p{N}\\p{M}]]+)|[[\\p{L}\\p{N}\\p{M}]--[${UNSPACED}]]+`, 'gv');

/**
 * Where a text may be cut before NFKC and lower-casing without changing either: after a space or full stop that neither of them looks across, or between
 * two characters that compose with nothing after them and are lower-cased by themselves.
 */
const PLAIN = 'A-Za-z0-9\\u3041-\\u3096\\u30a1-\\u30fa\\u3400-\\u4dbf\\u4e00-\\u9fff';
const CUT = new RegExp(`[\\t\\n\\r \\u3001\\u3002]|[${PLAIN}](?=[${PLAIN}])`, 'g');
/** Characters normalised in one step: some milliseconds with all that is done to their words. */
const PIECE = 8_192;

/** @param gram an n-gram of characters of an unspaced script: no stemming, no stop words */
export type TellWord = (word: string, gram: boolean) => void;

/**
 * Tells the words of a text after NFKC and lower-casing. Unspaced runs become character bigrams, not dictionary words: the dictionaries of
 * `Intl.Segmenter` change with the ICU release, and passages and queries must be cut alike for the life of a version.
 *
 * Passages also give each character, so that a query of one character finds it; a query gives it only where a run has no bigram.
 *
 * @param pieceLength UTF-16 units of a step; the words do not depend on it
 */
export function* tellWords(text: string, role: 'passage' | 'query', tell: TellWord, pieceLength = PIECE): Steps<void> {
  const runs = new OpenRuns(role, tell);
  for (let from = 0; from < text.length;) {
    const end = cutPoint(text, from + pieceLength);
    runs.read(text.slice(from, end).normalize('NFKC').toLowerCase());
    from = end;
    yield;
  }
  runs.close();
}

function cutPoint(text: string, from: number): number {
  if (from >= text.length) return text.length;
  CUT.lastIndex = from - 1;
  const found = CUT.exec(text);
  return found === null ? text.length : found.index + 1;
}

/** Runs that may go on in the next piece of the text. */
class OpenRuns {
  #unspaced = false;
  #word = '';
  /** The last character of an unspaced run, and whether it was told already, by itself or in a bigram. */
  #last = '';
  #told = false;

  constructor(
    private readonly role: 'passage' | 'query',
    private readonly tell: TellWord,
  ) {}

  read(piece: string): void {
    let end = 0;
    for (const match of piece.matchAll(RUNS)) {
      const [run] = match;
      const unspaced = match.groups?.unspaced !== undefined;
      if (match.index > 0 || unspaced !== this.#unspaced) this.close();
      this.#unspaced = unspaced;
      if (unspaced) this.#tellGrams(run);
      else this.#word += run;
      end = match.index + run.length;
    }
    if (end < piece.length) this.close();
  }

  close(): void {
    if (this.#word !== '') this.tell(this.#word, false);
    if (this.#last !== '' && !this.#told) this.tell(this.#last, true);
    this.#word = this.#last = '';
    this.#told = false;
  }

  #tellGrams(run: string): void {
    for (const character of run) {
      const before = this.#last;
      if (before !== '') this.tell(before + character, true);
      if (this.role === 'passage') this.tell(character, true);
      this.#told = before !== '' || this.role === 'passage';
      this.#last = character;
    }
  }
}
