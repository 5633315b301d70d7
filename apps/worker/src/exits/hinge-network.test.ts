import { describe, expect, it } from 'vitest';
import { addDerivatives, drawNetwork, HINGES, runNetwork, valueCount, type HingeNetwork } from './hinge-network.js';
import { SeededRandom } from './seeded-random.js';

const INPUTS = 8;

/** Numbers far enough from zero that hinges are off and on. */
function draw(seed: number): { readonly network: HingeNetwork; readonly x: Float64Array } {
  const random = new SeededRandom(seed);
  const network = drawNetwork(INPUTS, random);
  for (let at = 0; at < network.values.length; at += 1) network.values[at] = random.normal();
  return { network, x: Float64Array.from({ length: INPUTS }, () => random.normal()) };
}

const output = (network: HingeNetwork, x: Float64Array): number => runNetwork(network, x, new Float64Array(HINGES));

describe(runNetwork, () => {
  it('adds what is above zero of each hinge', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const { network, x } = draw(seed);
      const values = Array.from(network.values);
      const [biases, outs] = [values.slice(HINGES * INPUTS), values.slice(HINGES * (INPUTS + 1))];
      const hinges = Array.from({ length: HINGES }, (_, hinge) =>
        Math.max(
          0,
          x.reduce((sum, input, at) => sum + input * values[hinge * INPUTS + at]!, biases[hinge]!),
        ),
      );
      expect(output(network, x)).toBeCloseTo(
        hinges.reduce((sum, hinge, at) => sum + outs[at]! * hinge, outs[HINGES]!),
        10,
      );
    }
  });
});

describe(addDerivatives, () => {
  it('equals finite differences by every number, and adds to what is there', () => {
    const step = 1e-6;
    for (let seed = 0; seed < 20; seed += 1) {
      const { network, x } = draw(seed);
      const sums = new Float64Array(HINGES);
      runNetwork(network, x, sums);
      const gradient = new Float64Array(valueCount(INPUTS)).fill(1);
      addDerivatives(network, { x, sums, slope: 3 }, gradient);
      network.values.forEach((value, at) => {
        network.values[at] = value + step;
        const above = output(network, x);
        network.values[at] = value - step;
        const below = output(network, x);
        network.values[at] = value;
        expect(gradient[at]).toBeCloseTo(1 + (3 * (above - below)) / (2 * step), 6);
      });
    }
  });
});

describe(drawNetwork, () => {
  it('has weights that keep sums of standardised inputs near one', () => {
    const { values } = drawNetwork(1000, new SeededRandom(5));
    const squares = values.subarray(0, HINGES * 1000).reduce((sum, weight) => sum + weight ** 2, 0);
    expect(squares / HINGES).toBeGreaterThan(0.9);
    expect(squares / HINGES).toBeLessThan(1.1);
  });
});
