import { describe, expect, it } from 'vitest';
import { describeFault, drawFaults, endOf, FAULT_KINDS, SIZES } from './fault-schedule.ts';
import { Random } from './random.ts';

const seeds = Array.from({ length: 200 }, (_, seed) => seed);

describe('drawFaults', () => {
  it('draws the same for the same seed and size', () => {
    for (const seed of seeds) expect(drawFaults(seed, SIZES.long)).toEqual(drawFaults(seed, SIZES.long));
    expect(drawFaults(1, SIZES.long)).not.toEqual(drawFaults(2, SIZES.long));
  });

  it.each(['short', 'long'] as const)('draws every kind in 200 %s runs, and stays in the bounds of the size', (name) => {
    const size = SIZES[name];
    const kinds = new Set<string>();
    for (const seed of seeds) {
      const faults = drawFaults(seed, size);
      expect(faults.length).toBeGreaterThanOrEqual(size.fewestFaults);
      expect(faults.length).toBeLessThanOrEqual(size.mostFaults);
      expect(endOf(faults)).toBeLessThanOrEqual(size.windowMs + size.longestMs);
      expect(faults.map(({ atMs }) => atMs)).toEqual(faults.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
      for (const { kind } of faults) kinds.add(kind);
    }
    expect([...kinds].toSorted()).toEqual([...FAULT_KINDS].toSorted());
  });

  it('tells all that was drawn for a fault', () => {
    expect(describeFault({ kind: 'slow', atMs: 5, durationMs: 70, role: 'api', latencyMs: 9 })).toBe(
      '+5 ms slow api for 70 ms, 9 ms a packet',
    );
    expect(describeFault({ kind: 'kill-redis', atMs: 5 })).toBe('+5 ms kill-redis');
  });
});

describe('Random', () => {
  it('gives a fork numbers of its own', () => {
    const [left, right] = [new Random(3), new Random(3)];
    const fork = left.fork();
    right.fork();
    for (let draw = 0; draw < 100; draw += 1) fork.next();
    expect(left.next()).toBe(right.next());
  });

  it('reaches both ends of a range and never leaves it', () => {
    const random = new Random(4);
    const drawn = new Set(Array.from({ length: 1_000 }, () => random.whole(-1, 2)));
    expect([...drawn].toSorted((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
  });
});
