import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RerankError } from '../errors/index.js';
import { backoffDelayMs } from './backoff-delay.js';

const BACKOFF = { firstMs: 1_000, lastMs: 60_000 };

describe('backoffDelayMs', () => {
  it('doubles from the first wait to the last, and leaves half of it to chance', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000 }), (failures) => {
        const whole = Math.min(1_000 * 2 ** (failures - 1), 60_000);
        const wait = backoffDelayMs(BACKOFF, failures);
        expect(wait).toBeGreaterThanOrEqual(whole / 2);
        expect(wait).toBeLessThanOrEqual(whole);
      }),
    );
  });

  it('waits as long as the error asks, and no longer than the last wait', () => {
    const asking = (retryAfterS: number): RerankError => new RerankError('model_unavailable', 'not yet', { retryAfterS });
    expect(backoffDelayMs(BACKOFF, 1, asking(30))).toBe(30_000);
    expect(backoffDelayMs(BACKOFF, 1, asking(3_600))).toBe(60_000);
    expect(backoffDelayMs(BACKOFF, 20, asking(1))).toBeGreaterThanOrEqual(30_000);
  });
});
