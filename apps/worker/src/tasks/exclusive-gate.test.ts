import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExclusiveGate } from './exclusive-gate.js';

/** Lets every promise that can settle do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('ExclusiveGate', () => {
  it('lets work that must be alone run alone, all of it in the end, whatever fails', async () => {
    const turn = fc.record({
      alone: fc.boolean(),
      fails: fc.boolean(),
      ticks: fc.integer({ min: 0, max: 3 }),
      before: fc.integer({ min: 0, max: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { maxLength: 15 }), async (turns) => {
        const gate = new ExclusiveGate();
        const inside = new Set<number>();
        const done: Promise<unknown>[] = [];
        for (const [id, { alone, fails, ticks, before }] of turns.entries()) {
          for (let tick = 0; tick < before; tick += 1) await settle();
          const work = async (): Promise<number> => {
            inside.add(id);
            const companions = [...inside].filter((other) => other !== id && (alone || turns[other]?.alone === true));
            expect(companions).toEqual([]);
            for (let tick = 0; tick < ticks; tick += 1) await settle();
            inside.delete(id);
            if (fails) throw new Error(`failed ${id}`);
            return id;
          };
          done.push(gate.pass(alone, work).catch((error: unknown) => (error as Error).message));
        }
        expect(await Promise.all(done)).toEqual(turns.map(({ fails }, id) => (fails ? `failed ${id}` : id)));
      }),
      { numRuns: 50 },
    );
  });

  it('holds later work back while one that must be alone waits', async () => {
    const gate = new ExclusiveGate();
    const order: string[] = [];
    let leave: () => void = () => undefined;
    const first = gate.pass(false, () => new Promise<void>((resolve) => (leave = resolve)));
    const alone = gate.pass(true, async () => void order.push('alone'));
    const later = gate.pass(false, async () => void order.push('later'));
    await settle();
    expect(order).toEqual([]);
    leave();
    await Promise.all([first, alone, later]);
    expect(order).toEqual(['alone', 'later']);
  });
});
