import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { highlight } from './highlight.js';

describe(highlight, () => {
  it('counts code points, as the service does', () => {
    expect(highlight('🍎🍎 apple', { start: 1, end: 4 })).toEqual({ before: '🍎', marked: '🍎 a', after: 'pple' });
  });

  it.each([undefined, { start: 0, end: 5 }, { start: 0, end: 99 }, { start: 4, end: 4 }, { start: 9, end: 12 }, { start: 3, end: 1 }])(
    'marks nothing for %j',
    (span) => {
      expect(highlight('apple', span)).toEqual({ before: 'apple', marked: '', after: '' });
    },
  );

  it('loses no text, whatever the span', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer(), fc.integer(), (text, start, end) => {
        const { before, marked, after } = highlight(text, { start, end });
        expect(before + marked + after).toBe(text);
      }),
    );
  });
});
