import { describe, expect, it } from 'vitest';
import { millisecondsUntil, timeoutOf } from './deadline.js';

describe('timeoutOf', () => {
  it('is what the server allows where a call names none', () => {
    expect(timeoutOf(undefined, 60_000)).toBe(60_000);
  });

  it('is what a call names, cut to what the server allows', () => {
    expect([1, 59_999, 60_000, 60_001, 600_000].map((asked) => timeoutOf(asked, 60_000))).toEqual([1, 59_999, 60_000, 60_000, 60_000]);
  });
});

describe('millisecondsUntil', () => {
  it('leaves a call that is late a millisecond', () => {
    expect(millisecondsUntil(performance.now() - 1_000)).toBe(1);
  });
});
