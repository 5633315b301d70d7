import { describe, expect, it } from 'vitest';
import { packBytes, packWeights } from './byte-weights.js';
import { unitWeights } from './unit-weights.js';

describe(unitWeights, () => {
  it('leaves weights of features that are a million times smaller than others as exact as those', () => {
    const powers = Int8Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? -20 : 3));
    const wanted = Float64Array.from(powers, (power, at) => Math.sin(at + 1) / 2 ** power);
    const weights = packWeights(wanted.map((weight, at) => weight * 2 ** powers[at]!));
    const [found] = unitWeights({ bias: 0, powers: packBytes(powers), units: [{ weights, bias: 0, out: 1 }] }, 40);
    wanted.forEach((weight, at) => expect(Math.abs(found![at]! - weight) * 2 ** powers[at]!).toBeLessThan(0.01));
  });
});
