import { describe, expect, it } from 'vitest';
import { RespawnDelay } from './respawn-delay.js';

describe('RespawnDelay', () => {
  it('starts a thread again at once after a first death, then later each time, up to ten seconds', () => {
    const delay = new RespawnDelay();
    const delays = Array.from({ length: 11 }, (_, death) => delay.afterDeath(death * 1_000));
    expect(delays).toEqual([0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]);
  });

  it('forgets deaths of long ago', () => {
    const delay = new RespawnDelay();
    expect([0, 60_000, 120_001].map((now) => delay.afterDeath(now))).toEqual([0, 100, 0]);
  });
});
