import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { finish } from './steps.js';
import { tellWords } from './tokenize-words.js';

const parts = fc.constantFrom(
  ' ',
  '、',
  '。',
  'Apple',
  '42',
  'ΑΣ',
  'Σ',
  "'",
  'e\u0301',
  '\u0301',
  'ｶﾞ',
  'が',
  'か\u3099',
  '東京',
  '京',
  '한국',
  '\u1112\u1161',
  'ไทย',
  'ﬁ',
  '🍎',
  '❤️',
  '𠮷',
);
const anyText = fc.array(fc.oneof(parts, fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 60 }).map((all) => all.join(''));

function told(text: string, role: 'passage' | 'query', pieceLength: number): string[] {
  const words: string[] = [];
  finish(tellWords(text, role, (word, gram) => void words.push(`${gram ? 'gram' : 'word'} ${word}`), pieceLength));
  return words.sort();
}

describe(tellWords.name, () => {
  test.each(['passage', 'query'] as const)('tells the same words of a %s whatever the length of its pieces', (role) => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 30 }), (text, pieceLength) => {
        expect(told(text, role, pieceLength)).toEqual(told(text, role, Infinity));
      }),
      { numRuns: 1_000 },
    );
  });

  test('a word and an unspaced run that go through many pieces are told whole', () => {
    expect(told('x'.repeat(100), 'passage', 8)).toEqual([`word ${'x'.repeat(100)}`]);
    expect(told('東京都は', 'passage', 1)).toEqual(
      ['gram 東', 'gram 京', 'gram 都', 'gram は', 'gram 東京', 'gram 京都', 'gram 都は'].sort(),
    );
    expect(told('東京都は', 'query', 1)).toEqual(['gram 東京', 'gram 京都', 'gram 都は'].sort());
    expect(told('東 京', 'query', 1)).toEqual(['gram 京', 'gram 東']);
  });

  test('rests between pieces', () => {
    expect([...tellWords('東'.repeat(100), 'passage', () => undefined, 10)]).toHaveLength(10);
  });
});
