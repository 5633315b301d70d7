import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairRows } from './fair-rows.js';

const signal = new AbortController().signal;

/** Rows that end when the test says so. */
function stage(rows: FairRows) {
  const log: string[] = [];
  const ends: (() => void)[] = [];
  return {
    log,
    add: (tenant: string, pairs = 10) =>
      void rows.run({ tenant, pairs, signal }, async () => {
        log.push(tenant);
        await new Promise<void>((resolve) => ends.push(resolve));
      }),
    end: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      ends.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('FairRows', () => {
  it('runs no more pairs at once than allowed, but always one row', async () => {
    const rows = new FairRows({ pairsAtOnce: 25, quantum: 100 });
    const { add, end, log } = stage(rows);
    add('a', 1_000);
    add('a', 10);
    await end();
    add('a', 10);
    add('a', 10);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toHaveLength(3);
    expect(rows.running).toBe(20);
  });

  it('lets a tenant that comes new go before what waits of others, for a quantum', async () => {
    const { add, end, log } = stage(new FairRows({ pairsAtOnce: 10, quantum: 20 }));
    for (let row = 0; row < 8; row += 1) add('large');
    await end();
    await end();
    await end();
    for (let row = 0; row < 4; row += 1) add('small');
    for (let row = 0; row < 9; row += 1) await end();
    expect(log.slice(4, 6)).toEqual(['small', 'small']);
    expect(log.slice(4).filter((tenant) => tenant === 'small')).toHaveLength(4);
  });

  it('gives tenants equal shares of pairs, not of rows', async () => {
    const { add, end, log } = stage(new FairRows({ pairsAtOnce: 1, quantum: 60 }));
    for (let row = 0; row < 200; row += 1) add('short', 10);
    for (let row = 0; row < 200; row += 1) add('long', 30);
    for (let row = 0; row < 120; row += 1) await end();
    const pairs = { short: 0, long: 0 };
    for (const tenant of log) pairs[tenant as 'short' | 'long'] += tenant === 'short' ? 10 : 30;
    expect(pairs.short / pairs.long).toBeGreaterThan(0.8);
    expect(pairs.short / pairs.long).toBeLessThan(1.25);
  });

  it('rejects what is aborted while it waits, and gives its turn to the next', async () => {
    const rows = new FairRows({ pairsAtOnce: 10, quantum: 20 });
    const { add, end, log } = stage(rows);
    add('a');
    const gone = new AbortController();
    const waiting = rows.run({ tenant: 'a', pairs: 10, signal: gone.signal }, () => Promise.resolve('ran'));
    add('b');
    gone.abort(new Error('nobody waits'));
    await expect(waiting).rejects.toThrow('nobody waits');
    await end();
    expect(log).toEqual(['a', 'b']);
    await end();
    expect(rows.running).toBe(0);
  });

  it('runs every row once, whatever comes when, and then one of any size at once', async () => {
    const row = fc.record({
      tenant: fc.constantFrom('a', 'b', 'c'),
      // The mean of a slice, often a fraction.
      pairs: fc.tuple(fc.integer({ min: 1, max: 6_000 }), fc.integer({ min: 1, max: 30 })).map(([pairs, rows]) => pairs / rows),
      rows: fc.integer({ min: 1, max: 30 }),
      late: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 12 }), fc.integer({ min: 1, max: 400 }), async (slices, pairsAtOnce) => {
        const rows = new FairRows({ pairsAtOnce, quantum: 100 });
        const list = slices.flatMap((slice) => Array.from({ length: slice.rows }, () => slice));
        let ran = 0;
        await Promise.all(
          list.map(async ({ tenant, pairs, late }) => {
            if (late) await new Promise((resolve) => setImmediate(resolve));
            await rows.run({ tenant, pairs, signal }, async () => {
              ran += 1;
              await new Promise((resolve) => setImmediate(resolve));
            });
          }),
        );
        expect(ran).toBe(list.length);
        expect(rows.running).toBe(0);
        const { add, end, log } = stage(rows);
        add('large', pairsAtOnce);
        await end();
        expect(log).toEqual(['large']);
      }),
      { numRuns: 60 },
    );
  });

  it('lets a row of all that runs at once start when rows of fractions have ended', async () => {
    const rows = new FairRows({ pairsAtOnce: 256, quantum: 1_024 });
    const slice = Array.from({ length: 28 }, () => rows.run({ tenant: 'a', pairs: 935 / 28, signal }, () => Promise.resolve()));
    await Promise.all(slice);
    const { add, end, log } = stage(rows);
    add('large', 1_000);
    await end();
    add('other');
    await end();
    expect(log).toEqual(['large', 'other']);
  });
});
