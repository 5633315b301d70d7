import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryWatch } from './memory-watch.js';

const MIB = 2 ** 20;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Feeds readings in MiB, one a period; the first is the baseline. */
function watch(maxRssMib: number | undefined, readings: readonly number[], lateMib = 0) {
  const [exceeded, unfit] = [vi.fn(), vi.fn()];
  let at = 0;
  const memory = new MemoryWatch({
    lateBytes: lateMib * MIB,
    maxRssBytes: maxRssMib === undefined ? undefined : maxRssMib * MIB,
    onExceeded: ({ rssBytes, limitBytes }) => void exceeded(rssBytes / MIB, limitBytes / MIB),
    onUnfit: ({ baselineBytes, limitBytes }) => void unfit(baselineBytes / MIB, limitBytes / MIB),
    readRssBytes: () => readings[Math.min(at++, readings.length - 1)]! * MIB,
    periodMs: 10,
  });
  vi.advanceTimersByTime(10 * readings.length);
  return { exceeded, unfit, memory };
}

describe('MemoryWatch', () => {
  it('reports once when the memory stays above the bound for three readings', () => {
    const { exceeded } = watch(600, [400, 601, 650, 700, 800, 900]);
    expect(exceeded.mock.calls).toEqual([[700, 600]]);
  });

  it('takes a peak that passes for none', () => {
    const { exceeded } = watch(600, [400, 700, 700, 599, 700, 700, 500]);
    expect(exceeded).not.toHaveBeenCalled();
  });

  it('counts what may still be loaded as if it were there', () => {
    expect(watch(undefined, [400, 1_412, 1_412, 1_412, 1_412], 200).exceeded).not.toHaveBeenCalled();
    expect(watch(undefined, [400, 1_413, 1_413, 1_413, 1_413], 200).exceeded).toHaveBeenCalledWith(1_413, 1_412);
    expect(watch(500, [400, 450], 200).unfit).toHaveBeenCalledWith(600, 1_412);
  });

  it('allows half as much again as after the warm-up, and 512 MiB, unless told otherwise', () => {
    expect(watch(undefined, [400, 1_112, 1_112, 1_112, 1_112]).exceeded).not.toHaveBeenCalled();
    expect(watch(undefined, [400, 1_113, 1_113, 1_113]).exceeded.mock.calls).toEqual([[1_113, 1_112]]);
  });

  it('takes the default for a bound that the models alone exceed, and says so: a new process would not be below it either', () => {
    const { exceeded, unfit } = watch(300, [400, 500, 500, 500, 500]);
    expect(unfit.mock.calls).toEqual([[400, 1_112]]);
    expect(exceeded).not.toHaveBeenCalled();
  });

  it('watches nothing with a bound of 0', () => {
    expect(watch(0, [1, 10_000, 10_000, 10_000, 10_000]).exceeded).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is silent after it was stopped', () => {
    const { exceeded, memory } = watch(600, [400, 700]);
    memory.stop();
    vi.advanceTimersByTime(100);
    expect(exceeded).not.toHaveBeenCalled();
  });
});
