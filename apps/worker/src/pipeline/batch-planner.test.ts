import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchPlanner, MOST_PADDING, type PlannedItem } from './batch-planner.js';

interface Item extends PlannedItem {
  readonly id: number;
}

const itemsArbitrary = fc
  .array(fc.record({ length: fc.integer({ min: 1, max: 700 }), priority: fc.constantFrom('sync', 'batch'), alone: fc.boolean() }), {
    maxLength: 80,
  })
  .map((items) => items.map((item, id): Item => ({ ...item, id })));
const budgetArbitrary = fc.integer({ min: 1, max: 4_096 });

function plan(items: readonly Item[]): BatchPlanner<Item> {
  const planner = new BatchPlanner<Item>();
  for (const item of items) planner.add(item);
  return planner;
}

function drain(planner: BatchPlanner<Item>, budget: number): Item[][] {
  const batches: Item[][] = [];
  for (let batch = planner.take({ budget: budget }); batch.length > 0; batch = planner.take({ budget: budget })) batches.push(batch);
  return batches;
}

const longest = (batch: readonly Item[]): number => Math.max(...batch.map(({ length }) => length));
const ids = (items: readonly Item[]): number[] => items.map(({ id }) => id);
const sync = (id: number, length: number): Item => ({ id, length, priority: 'sync', alone: false });
const batch = (id: number, length: number): Item => ({ id, length, priority: 'batch', alone: false });

describe('BatchPlanner', () => {
  it('puts every item in exactly one batch', () => {
    fc.assert(
      fc.property(itemsArbitrary, budgetArbitrary, (items, budget) => {
        const planner = plan(items);
        const taken = drain(planner, budget).flat();
        expect(ids(taken).sort((a, b) => a - b)).toEqual(ids(items));
        expect([planner.size, planner.tokens]).toEqual([0, 0]);
      }),
    );
  });

  it('keeps longest × count within the budget, unless a single item is longer than it', () => {
    fc.assert(
      fc.property(itemsArbitrary, budgetArbitrary, (items, budget) => {
        for (const taken of drain(plan(items), budget)) expect(taken.length === 1 || longest(taken) * taken.length <= budget).toBe(true);
      }),
    );
  });

  it('puts items from a length on beside others of that length only, and shorter ones as before', () => {
    fc.assert(
      fc.property(itemsArbitrary, budgetArbitrary, fc.integer({ min: 1, max: 700 }), (items, budget, separateFrom) => {
        const planner = new BatchPlanner<Item>(separateFrom);
        for (const item of items) planner.add(item);
        const batches = drain(planner, budget);
        expect(ids(batches.flat()).sort((a, b) => a - b)).toEqual(ids(items));
        for (const taken of batches) if (longest(taken) >= separateFrom) expect(new Set(taken.map(({ length }) => length)).size).toBe(1);
      }),
    );
    const planner = new BatchPlanner<Item>(100);
    for (const [id, length] of [101, 101, 99, 100, 98].entries()) planner.add(sync(id, length));
    expect(drain(planner, 1_000).map(ids)).toEqual([[0, 1], [2, 4], [3]]);
  });

  it('keeps the share of padding in a batch within its bound', () => {
    fc.assert(
      fc.property(itemsArbitrary, budgetArbitrary, (items, budget) => {
        for (const taken of drain(plan(items), budget)) {
          const tokens = taken.reduce((sum, { length }) => sum + length, 0);
          expect(1 - tokens / (longest(taken) * taken.length)).toBeLessThanOrEqual(MOST_PADDING + 1e-9);
        }
      }),
    );
  });

  it('starts each batch with the oldest of the most urgent class, so that nothing starves within its class', () => {
    fc.assert(
      fc.property(itemsArbitrary, budgetArbitrary, (items, budget) => {
        const waiting = new Set(items);
        for (const taken of drain(plan(items), budget)) {
          const mostUrgent = [...waiting].some(({ priority }) => priority === 'sync') ? 'sync' : 'batch';
          expect(taken).toContainEqual([...waiting].find(({ priority }) => priority === mostUrgent));
          for (const item of taken) waiting.delete(item);
        }
      }),
    );
  });

  it('takes whatever waited first with each batch, however many longer items keep coming', () => {
    const arrivals = fc.array(fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 6 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(
        arrivals,
        budgetArbitrary,
        fc.constantFrom('sync' as const, 'batch' as const),
        fc.boolean(),
        (steps, budget, priority, shares) => {
          const planner = new BatchPlanner<Item>();
          const waiting = new Map<number, Item>();
          let count = 0;
          for (const lengths of steps) {
            // A flood: each step brings a request of long items besides those of any length.
            for (const length of [...lengths, 700, 699, 698]) {
              const item = { id: count, length, priority, alone: false, ...(priority === 'sync' ? { request: count >> 2 } : {}) };
              waiting.set(count++, item);
              planner.add(item);
            }
            const [first] = waiting.values();
            const taken = planner.take({ budget, ...(shares ? { sharedBudget: budget / 2 } : {}) });
            expect(taken).toContain(first);
            for (const { id } of taken) waiting.delete(id);
          }
          expect(planner.size).toBe(waiting.size);
        },
      ),
    );
  });

  it('gives an item that runs alone a batch of its own', () => {
    fc.assert(
      fc.property(itemsArbitrary, budgetArbitrary, (items, budget) => {
        for (const taken of drain(plan(items), budget)) expect(taken.length === 1 || taken.every(({ alone }) => !alone)).toBe(true);
      }),
    );
  });

  it('gives each batch longest first', () => {
    fc.assert(
      fc.property(itemsArbitrary, budgetArbitrary, (items, budget) => {
        for (const taken of drain(plan(items), budget)) expect(taken).toEqual(taken.toSorted((a, b) => b.length - a.length));
      }),
    );
  });

  it('never gives what was withdrawn, and withdrawing twice or after the batch changes nothing', () => {
    fc.assert(
      fc.property(itemsArbitrary, budgetArbitrary, fc.integer({ min: 2, max: 5 }), (items, budget, every) => {
        const planner = new BatchPlanner<Item>();
        const withdrawals = items.map((item) => planner.add(item));
        const isWithdrawn = (id: number): boolean => id % every === 0;
        for (const { id } of items.filter((item) => isWithdrawn(item.id))) {
          withdrawals[id]?.();
          withdrawals[id]?.();
        }
        const taken = drain(planner, budget).flat();
        for (const withdraw of withdrawals) withdraw();
        expect(ids(taken).sort((a, b) => a - b)).toEqual(ids(items).filter((id) => !isWithdrawn(id)));
        expect([planner.size, planner.tokens, planner.next()]).toEqual([0, 0, undefined]);
      }),
    );
  });

  it('takes sync items before batch items that came earlier', () => {
    const planner = plan([batch(0, 50), batch(1, 50), sync(2, 90)]);
    expect(ids(planner.take({ budget: 90 }))).toEqual([2]);
    expect(ids(planner.take({ budget: 100 }))).toEqual([0, 1]);
  });

  it('fills a sync batch with batch items no longer than its longest', () => {
    const planner = plan([batch(0, 99), batch(1, 101), sync(2, 100)]);
    expect(ids(planner.take({ budget: 1_000 }))).toEqual([2, 0]);
    expect(ids(planner.take({ budget: 1_000 }))).toEqual([1]);
  });

  it('takes neighbours in length rather than the next in age', () => {
    const planner = plan([sync(0, 100), sync(1, 10), sync(2, 101), sync(3, 99)]);
    expect(ids(planner.take({ budget: 304 })).sort()).toEqual([0, 2, 3]);
    expect(ids(planner.take({ budget: 304 }))).toEqual([1]);
  });

  it('takes items of the oldest request first, and others only while the batch stays small', () => {
    const of = (request: number, id: number, length: number): Item => ({ ...sync(id, length), request });
    const items = [of(1, 0, 100), of(2, 1, 100), of(1, 2, 92), of(2, 3, 99)];
    expect(ids(plan(items).take({ budget: 400, sharedBudget: 0 }))).toEqual([0, 2]);
    expect(ids(plan(items).take({ budget: 400, sharedBudget: 300 })).sort()).toEqual([0, 1, 2]);
    expect(ids(plan(items).take({ budget: 200 }))).toEqual([0, 1]);
  });

  it('ends an older request before a younger one, whatever the lengths and however late its items come', () => {
    fc.assert(
      fc.property(itemsArbitrary, fc.integer({ min: 1, max: 5 }), budgetArbitrary, (items, requests, budget) => {
        const planner = plan(items.map((item) => ({ ...item, priority: 'sync', request: item.id % requests })));
        const order: number[] = [];
        for (;;) {
          const taken = planner.take({ budget, sharedBudget: 0 });
          if (taken.length === 0) break;
          order.push(...taken.map(({ request }) => request!));
        }
        expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(order).toHaveLength(items.length);
      }),
    );
  });

  it('pads no more than it may', () => {
    const planner = plan([sync(0, 100), sync(1, 97), sync(2, 96)]);
    expect(ids(planner.take({ budget: 1_000, mostPadding: 3 }))).toEqual([0, 1]);
  });

  it('tells what waits of the oldest request and behind it', () => {
    const of = (request: number, id: number, length: number): Item => ({ ...sync(id, length), request });
    const planner = plan([of(1, 0, 10), of(2, 1, 20), of(1, 2, 30), of(3, 3, 40)]);
    expect(planner.waiting()).toEqual({ own: 40, ownItems: 2, requestsBehind: 2, behind: 60 });
    expect(plan([batch(0, 5), batch(1, 6)]).waiting()).toEqual({ own: 11, ownItems: 2, requestsBehind: 0, behind: 0 });
    expect(plan([]).waiting()).toEqual({ own: 0, ownItems: 0, requestsBehind: 0, behind: 0 });
  });

  it('gives an empty batch when nothing waits', () => {
    expect(plan([]).take({ budget: 1_024 })).toEqual([]);
  });
});
