import { describe, expect, it } from 'vitest';
import { RateWindow } from './rate-window.js';

describe('RateWindow', () => {
  it('tells the speed of the last while, not of all time', () => {
    let now = 0;
    const rate = new RateWindow(10_000, () => now);
    expect(rate.add(1_000)).toBeUndefined();
    now = 2_000;
    expect(rate.add(1_200)).toBe(100);
    now = 12_000;
    expect(rate.add(1_200)).toBe(0);
    now = 22_000;
    expect(rate.add(3_200)).toBe(200);
  });
});
