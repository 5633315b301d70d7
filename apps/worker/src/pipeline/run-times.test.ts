import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RunTimes } from './run-times.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('RunTimes', () => {
  it('counts a batch whole while it knows nothing of its model', () => {
    const times = new RunTimes();
    times.begin('light', 100);
    vi.advanceTimersByTime(1_000);
    expect(times.tokensLeft('light')).toBe(100);
  });

  it('counts down what is in flight by the speed of earlier batches, never below nothing', () => {
    const times = new RunTimes();
    times.learn('light', 100, 50);
    const flight = times.begin('light', 100);
    vi.advanceTimersByTime(20);
    expect(times.tokensLeft('light')).toBeCloseTo(60);
    times.begin('light', 10);
    expect(times.tokensLeft('light')).toBeCloseTo(70);
    vi.advanceTimersByTime(1_000);
    expect(times.tokensLeft('light')).toBe(0);
    times.end(flight);
    expect(times.tokensLeft('light')).toBe(0);
  });

  it('tells batches of other models in tokens of the one that asks', () => {
    const times = new RunTimes();
    times.learn('light', 100, 10);
    times.learn('heavy', 100, 100);
    times.begin('heavy', 50);
    expect(times.tokensLeft('light')).toBeCloseTo(500);
    expect(times.tokensLeft('unknown')).toBeCloseTo(50);
  });

  it('follows a machine that becomes slower', () => {
    const times = new RunTimes();
    times.learn('light', 100, 10);
    for (let batch = 0; batch < 20; batch += 1) times.learn('light', 100, 20);
    times.begin('light', 100);
    vi.advanceTimersByTime(10);
    expect(times.tokensLeft('light')).toBeGreaterThan(45);
  });

  it('learns nothing from a batch that took no time', () => {
    const times = new RunTimes();
    times.learn('light', 100, 0);
    times.begin('light', 100);
    expect(times.tokensLeft('light')).toBe(100);
  });
});
