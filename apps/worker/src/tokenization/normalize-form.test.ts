import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { bertNormalizer } from './bert-steps.js';
import { normalizeForm } from './normalize-form.js';

const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;
const MARKS = ['\u0301', '\u0327', '\u0323', '\u0345', '\u034f', '\u05b0', '\u0e38', '\u09be', '\u3099', '\u{1d165}', '\u0f73', '\u0cc2'];
const LETTERS = [
  'a',
  'é',
  'Å',
  'ﬁ',
  'か',
  '\u1112',
  '\u1161',
  '\u11ab',
  '한',
  '\u09c7',
  '\u0cc6',
  '\u{1d157}',
  '🍎',
  ' ',
  '\ud83d',
  '\u0f71',
];

afterEach(() => {
  vi.restoreAllMocks();
});

describe(normalizeForm.name, () => {
  it.each(FORMS)('is what the form makes of any text with less than 256 marks in a row: %s', (form) => {
    const long = fc
      .array(fc.tuple(fc.constantFrom(...LETTERS), fc.constantFrom(...MARKS), fc.integer({ min: 0, max: 256 })), { maxLength: 6 })
      .map((parts) => parts.map(([letter, mark, count]) => letter + mark.repeat(count)).join(''))
      .filter((text) => !/\p{M}{257}/u.test(text));
    const some = fc.array(fc.constantFrom(...MARKS, ...LETTERS), { maxLength: 40 }).map((parts) => parts.join(''));
    const any = fc.string({ unit: 'binary', maxLength: 30 });
    fc.assert(
      fc.property(fc.oneof(some, any, long), (text) => {
        expect(normalizeForm(text, form)).toBe(text.normalize(form));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(FORMS)('is what the form makes of each code point between two others: %s', (form) => {
    for (let codePoint = 1; codePoint <= 0x323af; codePoint += 1) {
      const text = `é${String.fromCodePoint(codePoint)}\u0301\u11ab`;
      if (normalizeForm(text, form) !== text.normalize(form)) expect.fail(`U+${codePoint.toString(16)}`);
    }
  });

  it.each([
    ['a form', (text: string) => normalizeForm(text, 'NFC')],
    ['the normalizer of BERT', bertNormalizer({})],
  ])('has no more than 256 marks put in order at once, whatever it is given: %s', (_, normalize) => {
    const given: string[] = [];
    const original = String.prototype.normalize;
    vi.spyOn(String.prototype, 'normalize').mockImplementation(function (this: string, form?: string) {
      given.push(this);
      return original.call(this, form);
    });
    for (const marks of ['\u0301'.repeat(257), '\u0327\u0301\u0345\u0334'.repeat(2_000), '\u{1d165}\u{1d16d}'.repeat(500)])
      for (let before = 0; before < 33; before += 1) normalize(`${'é'.repeat(before)}${marks}b${'c'.repeat(before)}`);
    expect(given.length).toBeGreaterThan(200);
    for (const part of given) expect(part.match(/\p{M}+/gu)?.every((marks) => Array.from(marks).length <= 256) ?? true).toBe(true);
  });
});
