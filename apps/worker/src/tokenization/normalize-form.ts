/**
 * Marks in a row that are put into their canonical order together: more than any letter of any script has. The order is found by insertion, so that 65,536 marks
 * in a row took 3.5 s of a thread that others wait for.
 */
const MOST_MARKS = 256;

/** What is not a mark, and the marks behind it: nothing that a form joins or puts in order lies in two of these. */
const PARTS = new RegExp(`\\P{M}*\\p{M}{0,${MOST_MARKS}}`, 'gu');

/** `text.normalize(form)`, but for the order of marks beyond the 256th in a row. */
export function normalizeForm(text: string, form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): string {
  return text.replaceAll(PARTS, (part) => part.normalize(form));
}
