import type { SeededRandom } from './seeded-random.js';

/** Hinges of a network. More win nothing on pairs held out; the loops below are written out for four. */
export const HINGES = 4;

/**
 * What hinges are multiplied with at first, every other one with its negative: small, as the first steps are then about the hinges, and of both signs, as one seldom
 * changes, and hinges of one sign cannot follow a line.
 */
const FIRST_OUT = 0.05;

/**
 * Numbers of the network Σ outₖ · max(0, wₖ·x + bₖ) + bias in one vector: weights of each hinge, `[hinges, inputs]` in row-major order, then the hinges' biases, then what
 * they are multiplied with, then the bias.
 */
export interface HingeNetwork {
  readonly inputs: number;
  readonly values: Float64Array;
}

export const valueCount = (inputs: number): number => HINGES * (inputs + 2) + 1;

/** A network that knows nothing yet. */
export function drawNetwork(inputs: number, random: SeededRandom): HingeNetwork {
  const values = new Float64Array(valueCount(inputs));
  const outs = HINGES * (inputs + 1);
  for (let at = 0; at < HINGES * inputs; at += 1) values[at] = random.normal() / Math.sqrt(inputs);
  for (let hinge = 0; hinge < HINGES; hinge += 1) values[outs + hinge] = hinge % 2 === 0 ? FIRST_OUT : -FIRST_OUT;
  return { inputs, values };
}

/** Output for `inputs` numbers. `sums` takes wₖ·x + bₖ of each hinge. */
export function runNetwork({ inputs, values }: HingeNetwork, x: Float64Array, sums: Float64Array): number {
  const [biases, outs] = [HINGES * inputs, HINGES * (inputs + 1)];
  let first = values[biases]!;
  let second = values[biases + 1]!;
  let third = values[biases + 2]!;
  let fourth = values[biases + 3]!;
  for (let at = 0; at < inputs; at += 1) {
    const input = x[at]!;
    first += input * values[at]!;
    second += input * values[at + inputs]!;
    third += input * values[at + 2 * inputs]!;
    fourth += input * values[at + 3 * inputs]!;
  }
  sums[0] = first;
  sums[1] = second;
  sums[2] = third;
  sums[3] = fourth;
  let output = values[outs + HINGES]!;
  for (let hinge = 0; hinge < HINGES; hinge += 1) output += values[outs + hinge]! * Math.max(0, sums[hinge]!);
  return output;
}

/**
 * Adds `slope` times the derivatives of the output by all numbers to `gradient`.
 *
 * @param sums of the same numbers, by `runNetwork`
 */
export function addDerivatives(
  { inputs, values }: HingeNetwork,
  { x, sums, slope }: { readonly x: Float64Array; readonly sums: Float64Array; readonly slope: number },
  gradient: Float64Array,
): void {
  const [biases, outs] = [HINGES * inputs, HINGES * (inputs + 1)];
  const through = (hinge: number): number => (sums[hinge]! > 0 ? slope * values[outs + hinge]! : 0);
  const [first, second, third, fourth] = [through(0), through(1), through(2), through(3)];
  for (let at = 0; at < inputs; at += 1) {
    const input = x[at]!;
    gradient[at]! += input * first;
    gradient[at + inputs]! += input * second;
    gradient[at + 2 * inputs]! += input * third;
    gradient[at + 3 * inputs]! += input * fourth;
  }
  for (let hinge = 0; hinge < HINGES; hinge += 1) {
    gradient[biases + hinge]! += through(hinge);
    gradient[outs + hinge]! += slope * Math.max(0, sums[hinge]!);
  }
  gradient[outs + HINGES]! += slope;
}
