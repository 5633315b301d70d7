import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { survivorsOf } from './exit-policy.js';

const logit = fc.double({ min: -12, max: 12, noNaN: true });
const keys = fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 60, maxLength: 60 });
const known = fc.array(fc.record({ logit, group: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }) }), { maxLength: 30 });
const state = fc.record({
  predictions: fc.array(logit, { minLength: 1, maxLength: 60 }),
  sigma: fc.double({ min: 0.01, max: 3, noNaN: true }),
  margin: fc.double({ min: 0, max: 3, noNaN: true }),
  atLeast: fc.integer({ min: 1, max: 30 }),
});

describe('survivorsOf', () => {
  it('keeps what is within the margin of the last wanted result', () => {
    const predictions = [5, 1, 4, 3.2, -7, 2.9];
    expect(survivorsOf({ predictions, sigma: 0.5, margin: 2, atLeast: 2 })).toEqual([0, 2, 3]);
  });

  it('keeps all where there are not more than are wanted', () => {
    expect(survivorsOf({ predictions: [1, -9], sigma: 1, margin: 0, atLeast: 3 })).toEqual([0, 1]);
  });

  it('drops what cannot reach the least logit, even of the best', () => {
    expect(survivorsOf({ predictions: [3, 1, -2], sigma: 1, margin: 1, atLeast: 3, minLogit: 1.5 })).toEqual([0, 1]);
  });

  it('counts passages of one document as one result, and keeps those of it that are within the margin', () => {
    const groups = ['a', 'a', 'a', 'b', 'c'];
    expect(survivorsOf({ predictions: [9, 8, -5, 2, 1], sigma: 1, margin: 0, atLeast: 2, groups })).toEqual([0, 1, 3]);
  });

  it('lets known logits compete', () => {
    const rest = { sigma: 1, margin: 0, atLeast: 2, known: [{ logit: 5 }, { logit: 4 }] };
    expect(survivorsOf({ predictions: [3, 1], ...rest })).toEqual([]);
    expect(survivorsOf({ predictions: [4.5, 1], ...rest })).toEqual([0]);
  });

  it('counts known passages of one document as one result, with those that still run', () => {
    const known = [9, 8, 7].map((each) => ({ logit: each, group: 'a' }));
    const rest = { predictions: [6, 5, 4, 3], sigma: 1, margin: 0, atLeast: 3, known };
    expect(survivorsOf({ ...rest, groups: ['b', 'c', 'd', 'e'] })).toEqual([0, 1]);
    expect(survivorsOf({ ...rest, groups: ['a', 'a', 'b', 'c'] })).toEqual([0, 1, 2, 3]);
  });

  it('never leaves fewer than are wanted', () => {
    fc.assert(
      fc.property(state, (cut) => {
        expect(survivorsOf(cut).length).toBeGreaterThanOrEqual(Math.min(cut.atLeast, cut.predictions.length));
      }),
    );
  });

  it('never leaves fewer results than are wanted, where several pairs are one', () => {
    fc.assert(
      fc.property(state, keys, (cut, keys) => {
        const groups = keys.slice(0, cut.predictions.length);
        const left = new Set(survivorsOf({ ...cut, groups }).map((at) => groups[at]));
        expect(left.size).toBeGreaterThanOrEqual(Math.min(cut.atLeast, new Set(groups).size));
      }),
    );
  });

  it('never leaves fewer results than are wanted, known ones counted once a group', () => {
    fc.assert(
      fc.property(state, keys, known, (cut, keys, known) => {
        const groups = keys.slice(0, cut.predictions.length);
        const inFull = [...survivorsOf({ ...cut, groups, known }).map((at) => groups[at]), ...known.map(({ group }) => group ?? Symbol())];
        const all = [...groups, ...known.map(({ group }) => group ?? Symbol())];
        expect(new Set(inFull).size).toBeGreaterThanOrEqual(Math.min(cut.atLeast, new Set(all).size));
      }),
    );
  });

  it('drops the same pairs whether the others are known or predicted to be so', () => {
    fc.assert(
      fc.property(state, keys, known, (cut, keys, known) => {
        const { length } = cut.predictions;
        const groups = keys.slice(0, length);
        const predicted = {
          predictions: [...cut.predictions, ...known.map((score) => score.logit)],
          groups: [...groups, ...known.map(({ group }) => group ?? Symbol())],
        };
        expect(survivorsOf({ ...cut, groups, known })).toEqual(survivorsOf({ ...cut, ...predicted }).filter((at) => at < length));
      }),
    );
  });

  it('drops nobody in favour of one with a lower prediction, and keeps the order', () => {
    fc.assert(
      fc.property(state, (cut) => {
        const survivors = survivorsOf(cut);
        const dropped = cut.predictions.filter((_, at) => !survivors.includes(at));
        const lowest = Math.min(...survivors.map((at) => cut.predictions[at]!));
        expect(dropped.every((prediction) => prediction < lowest)).toBe(true);
        expect(survivors).toEqual([...survivors].sort((a, b) => a - b));
      }),
    );
  });

  it('drops fewer with a wider margin', () => {
    fc.assert(
      fc.property(state, (cut) => {
        const wider = new Set(survivorsOf({ ...cut, margin: cut.margin + 1 }));
        expect(survivorsOf(cut).every((at) => wider.has(at))).toBe(true);
      }),
    );
  });
});
