import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Throttle } from './throttle.js';

const NOBODY = new AbortController().signal;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Milliseconds until the promise was settled, by the fake clock; undefined if it was not within a minute. */
async function timeOf(promise: Promise<void>): Promise<number | undefined> {
  const began = performance.now();
  let ended: number | undefined;
  const settled = promise.finally(() => (ended = performance.now()));
  settled.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(60_000);
  return ended === undefined ? undefined : Math.round(ended - began);
}

describe('Throttle', () => {
  it('lets everything through without a rate', async () => {
    const throttle = new Throttle();
    await throttle.pass(1_000, NOBODY);
    expect(await timeOf(throttle.pass(1_000, NOBODY))).toBe(0);
    expect(throttle.pausedMs).toBe(0);
  });

  it('pauses after documents for as long as they should have taken', async () => {
    const throttle = new Throttle(10);
    expect(await timeOf(throttle.pass(50, NOBODY))).toBe(0);
    const second = new Throttle(10);
    await second.pass(50, NOBODY);
    expect(await timeOf(second.pass(1, NOBODY))).toBe(5_000);
    expect(second.pausedMs).toBeCloseTo(5_000, 0);
  });

  it('leaves nothing behind at the signal, however long a reindex is', async () => {
    const { signal } = new AbortController();
    const throttle = new Throttle(10);
    for (let page = 1; page <= 3; page += 1) {
      await throttle.pass(50, signal);
      expect(await timeOf(throttle.pass(50, signal))).toBe(5_000);
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('takes the time that they did take off the pause', async () => {
    const throttle = new Throttle(10);
    await throttle.pass(50, NOBODY);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(await timeOf(throttle.pass(1, NOBODY))).toBe(1_000);
  });

  it('does not pause for nothing', async () => {
    const throttle = new Throttle(1);
    await throttle.pass(50, NOBODY);
    expect(await timeOf(throttle.pass(0, NOBODY))).toBe(0);
  });

  it('takes another rate during a pause, also none', async () => {
    const throttle = new Throttle(0.01);
    await throttle.pass(1, NOBODY);
    const passed = throttle.pass(1, NOBODY);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(throttle.pausedMs).toBeCloseTo(3_000, 0);
    throttle.rate = 0.2;
    expect(await timeOf(passed)).toBe(2_000);
    throttle.rate = 0.01;
    const next = throttle.pass(1, NOBODY);
    throttle.rate = undefined;
    expect(await timeOf(next)).toBe(0);
  });

  it('outlives pauses that are longer than a timer takes', async () => {
    const throttle = new Throttle(1e-9);
    await throttle.pass(1, NOBODY);
    expect(await timeOf(throttle.pass(1, NOBODY))).toBeUndefined();
  });

  it('gives up with the reason of the signal', async () => {
    const [throttle, controller] = [new Throttle(0.01), new AbortController()];
    await throttle.pass(1, controller.signal);
    const passed = throttle.pass(1, controller.signal);
    controller.abort(new Error('The worker stops.'));
    await expect(passed).rejects.toThrow('The worker stops.');
  });
});
