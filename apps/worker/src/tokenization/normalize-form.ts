/**
 * Marks in a row that are put into their canonical order together: more than any letter of any script has. The order is found by insertion, so that 65,536 marks
 * in a row took 3.5 s of a thread that others wait for.
 */
const MOST_MARKS = 256;

/** What is not a mark, and the marks behind it: nothing that a form joins or puts in order lies in two of these. */
const PARTS = new RegExp(`\\P{M}*\\p{M}{0,${MOST_MARKS}}`, 'gu');

/** Every so many characters are looked at. */
const STRIDE = 16;
const MARK_OR_HALF = /[\p{M}\p{Cs}]/u;

/** `text.normalize(form)`, but for the order of marks beyond the 256th in a row. */
export function normalizeForm(text: string, form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): string {
  if (!mayHaveLongRun(text)) return text.normalize(form);
  return text.replaceAll(PARTS, (part) => part.normalize(form));
}

/** False where there are no more than so many marks in a row. */
function mayHaveLongRun(text: string): boolean {
  let marks = 0;
  for (let at = 0; at < text.length; at += STRIDE) {
    marks = MARK_OR_HALF.test(text[at]!) ? marks + 1 : 0;
    if (marks >= MOST_MARKS / STRIDE) return true;
  }
  return false;
}
