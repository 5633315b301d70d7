import { describe, expect, it } from 'vitest';
import { stretchWithin } from './thread-times.js';

const at = (monotonicMs: number): number => performance.timeOrigin + monotonicMs;
const CALL = { startedAt: 100, endedAt: 200 };

describe(stretchWithin, () => {
  it.each([
    ['lies where the thread says', [120, 170], [120, 170]],
    ['does not begin before the call, where clocks differ', [20, 70], [100, 150]],
    ['does not end after the call, where clocks differ', [900, 950], [150, 200]],
    ['is no longer than the call', [0, 900], [100, 200]],
    ['is never negative', [170, 120], [170, 170]],
  ])('%s', (_, [from, to], [start, end]) => {
    const stretch = stretchWithin(CALL, { startedAt: at(from!), endedAt: at(to!) });
    expect(stretch.startedAt).toBeCloseTo(start!, 3);
    expect(stretch.endedAt).toBeCloseTo(end!, 3);
  });
});
