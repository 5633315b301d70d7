import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Bm25Constants } from '../domain/index.js';
import { Bm25Encoder } from './bm25-encoder.js';
import { murmur3 } from './murmur3.js';

const constants: Bm25Constants = { k1: 1.2, b: 0.75, averageLength: 4, language: 'english', termHash: 'murmur3-32' };
const english = new Bm25Encoder(constants);
const none = new Bm25Encoder({ ...constants, language: 'none' });

function indicesOf(...terms: string[]): number[] {
  return terms.map(murmur3).sort((a, b) => a - b);
}

describe('murmur3', () => {
  test.each([
    ['', 0],
    ['a', 0x3c2569b2],
    ['hello', 0x248bfa47],
    ['hello, world', 0x149bbb7f],
    ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
  ])('%j hashes as the reference does', (text, hash) => {
    expect(murmur3(text)).toBe(hash);
  });
});

describe(Bm25Encoder.name, () => {
  test('weighs terms by the formula of BM25', () => {
    const { indices, values } = none.encodePassage('pear pear apple');
    const norm = 1.2 * (1 - 0.75 + (0.75 * 3) / 4);
    const weights = new Map([...indices].map((index, i) => [index, values[i]!]));
    expect(weights.get(murmur3('pear'))).toBeCloseTo((2 * 2.2) / (2 + norm), 6);
    expect(weights.get(murmur3('apple'))).toBeCloseTo(2.2 / (1 + norm), 6);
  });

  test('queries weigh each distinct term 1', () => {
    const { indices, values } = none.encodeQuery('pear apple pear');
    expect([...indices]).toEqual(indicesOf('pear', 'apple'));
    expect([...values]).toEqual([1, 1]);
  });

  test('stems, drops stop words and does not count them in the length', () => {
    expect([...english.encodeQuery('How are the apple trees pruned?').indices]).toEqual(indicesOf('appl', 'tree', 'prune'));
    expect(english.countTerms('How are the apple trees pruned?')).toBe(3);
    expect([...new Bm25Encoder({ ...constants, language: 'german' }).encodeQuery('die Häuser').indices]).toEqual(indicesOf('haus'));
  });

  test('the language none neither stems nor drops', () => {
    expect([...none.encodeQuery('the trees').indices]).toEqual(indicesOf('the', 'trees'));
  });

  test('letters are compared after NFKC and lower-casing, marks stay with their letters', () => {
    expect(none.encodeQuery('ＣＡＦÉ ﬁne').indices).toEqual(none.encodeQuery('cafe\u0301 fine').indices);
    expect([...none.encodeQuery('हिन्दी').indices]).toEqual(indicesOf('हिन्दी'));
  });

  test('unspaced scripts are found by words, by parts of words and by one character', () => {
    const passage = new Set(none.encodePassage('東京タワーの高さ iPhone15の価格').indices);
    for (const query of ['東京', '高', '価格', 'iphone15', 'タワー']) {
      for (const index of none.encodeQuery(query).indices) expect(passage).toContain(index);
    }
    expect([...none.encodeQuery('京都タ').indices]).toEqual(indicesOf('京都', '都タ'));
  });

  test('indices ascend and are distinct, weights are finite and positive, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const { indices, values } = english.encodePassage(text);
        expect(values).toHaveLength(indices.length);
        expect([...indices]).toEqual([...new Set(indices)].sort((a, b) => a - b));
        expect([...values].every((value) => value > 0 && value <= 2.2)).toBe(true);
      }),
    );
  });

  test('every term of a query that is a piece of the passage is in the passage', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('apple', 'trees', '東', '京', 'ไทย', '한국', '42', 'é'), { minLength: 1, maxLength: 20 }),
        (parts) => {
          const text = parts.join(' ');
          const passage = new Set(english.encodePassage(text).indices);
          for (const part of parts) for (const index of english.encodeQuery(part).indices) expect(passage).toContain(index);
        },
      ),
    );
  });

  test('an unknown language is refused by name of the known ones', () => {
    expect(() => new Bm25Encoder({ ...constants, language: 'klingon' })).toThrow(/invalid_request.*english/);
  });
});
