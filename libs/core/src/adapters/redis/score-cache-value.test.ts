import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeScore, encodeScore } from './score-cache-value.js';

const whole = fc.nat({ max: 0xffff_ffff });
const score = fc.record(
  {
    logit: fc.double({ noNaN: true, noDefaultInfinity: true }),
    tokens: whole,
    truncated: fc.boolean(),
    span: fc.record({ start: whole, end: whole }, { noNullPrototype: true }),
  },
  { requiredKeys: ['logit', 'tokens', 'truncated'], noNullPrototype: true },
);

describe(encodeScore, () => {
  it('keeps every bit of a score', () => {
    fc.assert(
      fc.property(score, (given) => {
        expect(decodeScore(encodeScore(given))).toEqual(given);
      }),
    );
  });
});

describe(decodeScore, () => {
  const good = encodeScore({ logit: 1.5, tokens: 7, truncated: false });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['another format', Buffer.concat([Buffer.of(9), good.subarray(1)])],
    ['a part of a value', good.subarray(0, 13)],
    ['more than a value', Buffer.concat([good, Buffer.of(0)])],
    ['a span that is missing', Buffer.concat([good.subarray(0, 1), Buffer.of(2), good.subarray(2)])],
    ['a logit that is no number', encodeScore({ logit: Number.NaN, tokens: 7, truncated: false })],
    ['text', Buffer.from('{"logit":1.5,"tokens":7}')],
  ])('takes %s for unknown', (_, bytes) => {
    expect(decodeScore(bytes)).toBeUndefined();
  });
});
