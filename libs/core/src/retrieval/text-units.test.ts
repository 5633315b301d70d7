import { describe, expect, test } from 'vitest';
import { finish } from './steps.js';
import { sentenceSpans, wordSpans } from './text-units.js';

function wholeWords(text: string): string[] {
  const segments = new Intl.Segmenter('en', { granularity: 'word' }).segment(text);
  return Array.from(segments, ({ segment }) => segment).filter((segment) => segment.trim() !== '');
}

const han = Array.from({ length: 40_000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7_919) % 4_000))).join('');

describe(wordSpans.name, () => {
  test.each([
    ['words between spaces', 'The pear’s 3.5 kg, e\u0301te\u0301 🍎👩‍🚀 '.repeat(2_000)],
    ['words between double spaces and lines', 'pear  apple\n\n\tplum '.repeat(4_000)],
    ['a script without spaces', han],
    ['a word that is longer than a part', `${'x'.repeat(70_000)} pear ${'🍎'.repeat(20_000)}`],
    ['words a line', 'pear\napple\n'.repeat(5_000)],
  ])('finds in parts what it would find in the whole: %s', (_, text) => {
    const spans = finish(wordSpans(text, { start: 0, end: text.length }));
    expect(spans.map(({ start, end }) => text.slice(start, end))).toEqual(wholeWords(text));
  });

  test('looks at the span only', () => {
    expect(finish(wordSpans('one two three', { start: 4, end: 7 }))).toEqual([{ start: 4, end: 7 }]);
  });

  test('rests between parts', () => {
    expect([...wordSpans(han, { start: 0, end: han.length })].length).toBeGreaterThan(1);
  });
});

describe(sentenceSpans.name, () => {
  test('rests between many sentences', () => {
    expect([...sentenceSpans('One. '.repeat(5_000))]).toHaveLength(2);
  });
});
