import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SYNC_TURNS } from './batch-planner.js';
import { PAGE_TOKENS, pagesFor, StatePages } from './state-pages.js';

const BATCH = { priority: 'batch' } as const;
const SYNC = { priority: 'sync' } as const;

/** Runs what is due in this turn of the loop. */
const settle = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

async function take(pages: StatePages, count: number, options: Parameters<StatePages['take']>[1]): Promise<Int32Array> {
  const taken = await pages.take(count, options);
  if (taken === undefined) throw new Error('There was no room.');
  return taken;
}

// No call runs out of patience because the machine is busy.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('StatePages', () => {
  it('needs a page for each started stretch of tokens', () => {
    expect([1, PAGE_TOKENS, PAGE_TOKENS + 1, 512].map(pagesFor)).toEqual([1, 1, 2, 32]);
  });

  it('gives no page twice, and all of them again', async () => {
    const pages = new StatePages(8);
    const [first, second] = [await take(pages, 3, SYNC), await take(pages, 5, BATCH)];
    expect(new Set([...first, ...second]).size).toBe(8);
    pages.give(first);
    pages.give(second);
    expect(pages.used).toBe(0);
    expect(new Set(await take(pages, 8, SYNC)).size).toBe(8);
  });

  it('lets a request wait until others have given back enough, calls before batch work', async () => {
    const pages = new StatePages(4);
    const held = await take(pages, 4, BATCH);
    const order: string[] = [];
    const batch = take(pages, 2, BATCH).then((taken) => (order.push('batch'), taken));
    const sync = take(pages, 2, SYNC).then((taken) => (order.push('sync'), taken));
    pages.give(held.subarray(0, 2));
    await settle();
    expect(order).toEqual(['sync']);
    pages.give(await sync);
    await batch;
    expect(order).toEqual(['sync', 'batch']);
  });

  it('is not overtaken by a smaller request of its class', async () => {
    const pages = new StatePages(4);
    const held = await take(pages, 3, SYNC);
    const order: string[] = [];
    const large = take(pages, 4, SYNC).then(() => order.push('large'));
    const small = take(pages, 1, SYNC).then(() => order.push('small'));
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
    const held = await take(pages, 3, SYNC);
    const control = new AbortController();
    const large = take(pages, 4, { ...SYNC, signal: control.signal });
    const small = take(pages, 1, SYNC);
    control.abort(new Error('gone'));
    await expect(large).rejects.toThrow('gone');
    expect((await small).length).toBe(1);
    pages.give(held);
    expect(pages.used).toBe(1);
  });

  it('gives a batch request its turn, though calls never cease to wait', async () => {
    const pages = new StatePages(10);
    const held = [await take(pages, 5, SYNC), await take(pages, 5, SYNC)];
    const order: string[] = [];
    const ask = async (count: number, options: typeof SYNC | typeof BATCH): Promise<void> => {
      const taken = await take(pages, count, options);
      order.push(options.priority);
      held.push(taken);
    };
    const asked = [ask(8, BATCH), ...Array.from({ length: 2 * SYNC_TURNS }, () => ask(5, SYNC))];
    for (let next = held.shift(); next !== undefined; next = held.shift()) {
      pages.give(next);
      await settle();
    }
    await Promise.all(asked);
    const calls = Array<string>(SYNC_TURNS).fill('sync');
    expect(order).toEqual([...calls, 'batch', ...calls]);
  });

  it('does not hold up calls for a batch request that waits for batch work', async () => {
    const pages = new StatePages(10);
    const ofBatch = await take(pages, 4, BATCH);
    const batch = take(pages, 8, BATCH);
    for (let call = 0; call < 2 * SYNC_TURNS; call += 1) pages.give(await take(pages, 5, SYNC));
    pages.give(ofBatch);
    expect((await batch).length).toBe(8);
  });

  it('lets a call go without pages soon where batch work holds them, and serves those behind it', async () => {
    const pages = new StatePages(10);
    const ofBatch = await take(pages, 6, BATCH);
    const large = pages.take(5, SYNC);
    const small = pages.take(4, SYNC);
    vi.advanceTimersByTime(100);
    expect(await large).toBeUndefined();
    expect((await small)?.length).toBe(4);
    expect(vi.getTimerCount()).toBe(0);
    pages.give(ofBatch);
    expect(pages.used).toBe(4);
  });

  it('has a call wait for other calls however long, and a batch request for anything', async () => {
    const pages = new StatePages(10);
    const [ofBatch, ofCall] = [await take(pages, 5, BATCH), await take(pages, 5, SYNC)];
    const waiting = [pages.take(5, SYNC), pages.take(10, BATCH)];
    vi.advanceTimersByTime(60_000);
    pages.give(ofCall);
    const call = await waiting[0];
    expect(call?.length).toBe(5);
    pages.give(ofBatch);
    pages.give(call!);
    expect((await waiting[1])?.length).toBe(10);
  });

  it('never holds more than there are, whatever is taken and given', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 40 }), async (counts) => {
        const pages = new StatePages(6);
        const done = counts.map(async (count, at) => {
          const taken = await take(pages, count, at % 3 === 0 ? SYNC : BATCH);
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
