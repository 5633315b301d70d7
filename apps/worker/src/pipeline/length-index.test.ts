import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LengthIndex, type LaneNode } from './length-index.js';

type Step = { readonly add: number } | { readonly remove: number };

const stepsArbitrary = fc.array(fc.oneof(fc.record({ add: fc.integer({ min: 1, max: 2_100 }) }), fc.record({ remove: fc.nat() })), {
  maxLength: 120,
}) as fc.Arbitrary<Step[]>;

/** Runs the steps on the index and on a plain array in order of age. */
function replay(steps: readonly Step[]): { index: LengthIndex<number>; model: LaneNode<number>[] } {
  const index = new LengthIndex<number>();
  const model: LaneNode<number>[] = [];
  steps.forEach((step, id) => {
    if ('add' in step) {
      model.push(index.add(id, step.add));
      return;
    }
    const [node] = model.length === 0 ? [] : model.splice(step.remove % model.length, 1);
    if (node !== undefined) index.remove(node);
  });
  return { index, model };
}

describe('LengthIndex', () => {
  it('finds the oldest of the nearest length on either side, as a scan over all items does', () => {
    fc.assert(
      fc.property(stepsArbitrary, fc.integer({ min: 0, max: 2_200 }), (steps, length) => {
        const { index, model } = replay(steps);
        const below = Math.max(...model.map((node) => node.length).filter((candidate) => candidate <= length));
        const above = Math.min(...model.map((node) => node.length).filter((candidate) => candidate >= length));
        expect(index.atMost(length)?.item).toBe(model.find((node) => node.length === below)?.item);
        expect(index.atLeast(length)?.item).toBe(model.find((node) => node.length === above)?.item);
      }),
    );
  });

  it('knows its oldest item, its size and its tokens', () => {
    fc.assert(
      fc.property(stepsArbitrary, (steps) => {
        const { index, model } = replay(steps);
        expect(index.oldest?.item).toBe(model[0]?.item);
        expect([index.size, index.tokens]).toEqual([model.length, model.reduce((sum, { length }) => sum + length, 0)]);
      }),
    );
  });

  it('refuses a length that is no positive whole number', () => {
    const index = new LengthIndex<string>();
    expect(() => index.add('empty', 0)).toThrow('without tokens');
    expect(() => index.add('half', 1.5)).toThrow('without tokens');
    expect(index.size).toBe(0);
  });
});
