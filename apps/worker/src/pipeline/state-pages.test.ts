import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_TOKENS, pagesFor, StatePages } from './state-pages.js';

const BATCH = { priority: 'batch' } as const;
const SYNC = { priority: 'sync' } as const;

/** Runs what is due in this turn of the loop. */
const settle = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

describe('StatePages', () => {
  it('needs a page for each started stretch of tokens', () => {
    expect([1, PAGE_TOKENS, PAGE_TOKENS + 1, 512].map(pagesFor)).toEqual([1, 1, 2, 32]);
  });

  it('gives no page twice, and all of them again', async () => {
    const pages = new StatePages(8);
    const [first, second] = [await pages.take(3, SYNC), await pages.take(5, BATCH)];
    expect(new Set([...first, ...second]).size).toBe(8);
    pages.give(first);
    pages.give(second);
    expect(pages.used).toBe(0);
    expect(new Set(await pages.take(8, SYNC)).size).toBe(8);
  });

  it('lets a request wait until others have given back enough, calls before batch work', async () => {
    const pages = new StatePages(4);
    const held = await pages.take(4, BATCH);
    const order: string[] = [];
    const batch = pages.take(2, BATCH).then((taken) => (order.push('batch'), taken));
    const sync = pages.take(2, SYNC).then((taken) => (order.push('sync'), taken));
    pages.give(held.subarray(0, 2));
    await settle();
    expect(order).toEqual(['sync']);
    pages.give(await sync);
    await batch;
    expect(order).toEqual(['sync', 'batch']);
  });

  it('is not overtaken by a smaller request of its class', async () => {
    const pages = new StatePages(4);
    const held = await pages.take(3, SYNC);
    const order: string[] = [];
    const large = pages.take(4, SYNC).then(() => order.push('large'));
    const small = pages.take(1, SYNC).then(() => order.push('small'));
    await settle();
    expect(order).toEqual([]);
    pages.give(held);
    await large;
    expect(order).toEqual(['large']);
    pages.give([0, 1, 2, 3]);
    await small;
  });

  it('forgets a request that was aborted while it waited, and serves those behind it', async () => {
    const pages = new StatePages(4);
    const held = await pages.take(3, SYNC);
    const control = new AbortController();
    const large = pages.take(4, { ...SYNC, signal: control.signal });
    const small = pages.take(1, SYNC);
    control.abort(new Error('gone'));
    await expect(large).rejects.toThrow('gone');
    expect((await small).length).toBe(1);
    pages.give(held);
    expect(pages.used).toBe(1);
  });

  it('never holds more than there are, whatever is taken and given', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 40 }), async (counts) => {
        const pages = new StatePages(6);
        const done = counts.map(async (count, at) => {
          const taken = await pages.take(count, at % 3 === 0 ? SYNC : BATCH);
          expect(taken.length).toBe(count);
          expect(pages.used).toBeLessThanOrEqual(6);
          await settle();
          pages.give(taken);
        });
        await Promise.all(done);
        expect(pages.used).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});
