import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutBatch } from './cut-batch.js';

const MOST = 512;
const alone = { requestsBehind: 0, behind: 0 };
const pairs = (tokens: number, ownItems: number) => ({ own: tokens, ownItems, ...alone });

describe('cutBatch', () => {
  it('shares out among idle runners what is less than a batch each', () => {
    const { budget } = cutBatch(pairs(400, 10), MOST, { count: 2, idle: 1, tokensLeft: 0 });
    expect(budget).toBeGreaterThan(200);
    expect(budget).toBeLessThan(240);
  });

  it('leaves to a runner that is nearly done its part of the rest', () => {
    const { budget } = cutBatch(pairs(500, 50), MOST, { count: 2, idle: 0, tokensLeft: 100 });
    expect(budget).toBeGreaterThan(280);
    expect(budget).toBeLessThan(340);
  });

  it('gives the last idle runner all that the others would not end before it', () => {
    expect(cutBatch(pairs(100, 2), MOST, { count: 2, idle: 0, tokensLeft: 400 }).budget).toBe(MOST);
  });

  it('cuts much into level batches, none below half of a full one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2 * MOST + 1, max: 50_000 }), fc.integer({ min: 2, max: 16 }), (tokens, count) => {
        const waiting = pairs(tokens * count, Math.ceil((tokens * count) / 90));
        const { budget } = cutBatch(waiting, MOST, { count, idle: count - 1, tokensLeft: 0 });
        expect(budget).toBeGreaterThanOrEqual(MOST / 2);
        expect(budget).toBeLessThanOrEqual(MOST);
      }),
    );
  });

  it('keeps requests apart until many wait', () => {
    const runners = { count: 2, idle: 0, tokensLeft: 300 };
    const few = cutBatch({ own: 5_000, ownItems: 50, requestsBehind: 7, behind: 35_000 }, MOST, runners);
    expect(few.sharedBudget).toBeLessThanOrEqual(MOST / 2);
    const many = cutBatch({ own: 5_000, ownItems: 50, requestsBehind: 8, behind: 40_000 }, MOST, runners);
    expect(many.sharedBudget).toBeUndefined();
  });

  it('fills the batches of a lone runner, with the oldest request first', () => {
    expect(cutBatch(pairs(100, 2), MOST, { count: 1, idle: 0, tokensLeft: 0 })).toMatchObject({ budget: MOST, sharedBudget: MOST });
  });
});
