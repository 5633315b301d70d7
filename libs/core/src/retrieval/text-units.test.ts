import { describe, expect, test } from 'vitest';
import { sentenceSpans, wordsFrom, type Span } from './text-units.js';

function wordSpans(text: string, { start, end }: Span): Span[][] {
  const parts: Span[][] = [];
  for (let from = start; from < end;) {
    const { words, to } = wordsFrom(text, { start: from, end });
    parts.push(words);
    from = to;
  }
  return parts;
}

function wholeWords(text: string): string[] {
  const segments = new Intl.Segmenter('en', { granularity: 'word' }).segment(text);
  return Array.from(segments, ({ segment }) => segment).filter((segment) => segment.trim() !== '');
}

const han = Array.from({ length: 40_000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7_919) % 4_000))).join('');

describe(wordsFrom.name, () => {
  test.each([
    ['words between spaces', 'The pear’s 3.5 kg, e\u0301te\u0301 🍎👩‍🚀 '.repeat(2_000)],
    ['words between double spaces and lines', 'pear  apple\n\n\tplum '.repeat(4_000)],
    ['a script without spaces', han],
    ['a word that is longer than a part', `${'x'.repeat(70_000)} pear ${'🍎'.repeat(20_000)}`],
    ['words a line', 'pear\napple\n'.repeat(5_000)],
  ])('finds in parts what it would find in the whole: %s', (_, text) => {
    const spans = wordSpans(text, { start: 0, end: text.length }).flat();
    expect(spans.map(({ start, end }) => text.slice(start, end))).toEqual(wholeWords(text));
  });

  test('looks at the span only', () => {
    expect(wordSpans('one two three', { start: 4, end: 7 })).toEqual([[{ start: 4, end: 7 }]]);
  });

  test('looks at a part of a long text at once', () => {
    expect(wordSpans(han, { start: 0, end: han.length })).toHaveLength(3);
  });
});

describe(sentenceSpans.name, () => {
  test('rests between many sentences', () => {
    expect([...sentenceSpans('One. '.repeat(5_000))]).toHaveLength(2);
  });
});
