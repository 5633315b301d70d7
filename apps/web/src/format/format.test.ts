import { describe, expect, it } from 'vitest';
import { bytes, percent, score, whole } from './numbers.js';
import { duration, fromNow } from './times.js';

describe('numbers', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_500, '1.5 kB'],
    [579_000_000, '579 MB'],
    [2_500_000_000_000_000, '2500 TB'],
    [undefined, '–'],
  ])('writes %j bytes as %j', (count, text) => {
    expect(bytes(count)).toBe(text);
  });

  it.each([
    [0.5, '0.500'],
    [0.99999, '>.999'],
    [1, '1.000'],
    [0.00001, '<.001'],
    [0, '0.000'],
    [-3.2, '-3.200'],
    [undefined, '–'],
  ])('writes the score %j as %j: never the 1 or 0 that it is not', (value, text) => {
    expect(score(value)).toBe(text);
  });

  it('writes shares and counts', () => {
    expect([percent(0.345), percent(0.024), percent(0), percent(1), whole(12_345.4)]).toEqual(['35 %', '2.4 %', '0 %', '100 %', '12,345']);
  });
});

describe('times', () => {
  it.each([
    [0, '0 s'],
    [59.4, '59 s'],
    [59.6, '1 min'],
    [3_570, '1 h 00 min'],
    [3_900, '1 h 05 min'],
    [90_000, '1 d 1 h'],
    [-5, '0 s'],
  ])('writes %j seconds as %j', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it('tells how long ago, and how long until', () => {
    expect([fromNow(100, 100_500), fromNow(40, 100_000), fromNow(160, 100_000)]).toEqual(['now', '1 min ago', 'in 1 min']);
  });
});
