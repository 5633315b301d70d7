import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { finish } from './steps.js';
import { TermList } from './term-list.js';

function weighed(terms: Iterable<number>) {
  const list = new TermList();
  for (const term of terms) list.push(term);
  return finish(list.weighed((count) => count));
}

function counted(terms: Iterable<number>) {
  const counts = new Map<number, number>();
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  const indices = Uint32Array.from(counts.keys()).sort();
  return { indices, values: Float32Array.from(indices, (index) => counts.get(index)!) };
}

describe(TermList.name, () => {
  test('counts and sorts what was pushed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 0xffffffff })), { maxLength: 700 }),
        (terms) => {
          expect(weighed(terms)).toEqual(counted(terms));
        },
      ),
    );
  });

  test.each([1, 0x01000193])('does so for very many terms, evenly spread or not (step %i)', (step) => {
    const terms = Uint32Array.from({ length: 300_000 }, (_, i) => Math.imul(i % 200_001, step));
    expect(weighed(terms)).toEqual(counted(terms));
  });
});
