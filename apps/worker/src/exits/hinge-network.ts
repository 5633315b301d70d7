import type { SeededRandom } from './seeded-random.js';

/** Hinges of a network, a multiple of `BLOCK`. More win little for queries that are like those of the fit, but something for others. */
export const HINGES = 8;

/** So many hinges are gone through at once: the loops below are written out for them. */
const BLOCK = 4;

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
export function runNetwork(network: HingeNetwork, x: Float64Array, sums: Float64Array): number {
  const { inputs, values } = network;
  const outs = HINGES * (inputs + 1);
  let output = values[outs + HINGES]!;
  for (let block = 0; block < HINGES; block += BLOCK) sumBlock(network, block, { x, sums });
  for (let hinge = 0; hinge < HINGES; hinge += 1) output += values[outs + hinge]! * Math.max(0, sums[hinge]!);
  return output;
}

function sumBlock(
  { inputs, values }: HingeNetwork,
  block: number,
  { x, sums }: { readonly x: Float64Array; readonly sums: Float64Array },
): void {
  const biases = HINGES * inputs + block;
  const start = block * inputs;
  let first = values[biases]!;
  let second = values[biases + 1]!;
  let third = values[biases + 2]!;
  let fourth = values[biases + 3]!;
  for (let at = 0; at < inputs; at += 1) {
    const input = x[at]!;
    const weight = start + at;
    first += input * values[weight]!;
    second += input * values[weight + inputs]!;
    third += input * values[weight + 2 * inputs]!;
    fourth += input * values[weight + 3 * inputs]!;
  }
  sums[block] = first;
  sums[block + 1] = second;
  sums[block + 2] = third;
  sums[block + 3] = fourth;
}

/**
 * Adds `slope` times the derivatives of the output by all numbers to `gradient`.
 *
 * @param sums of the same numbers, by `runNetwork`
 */
export function addDerivatives(
  network: HingeNetwork,
  { x, sums, slope }: { readonly x: Float64Array; readonly sums: Float64Array; readonly slope: number },
  gradient: Float64Array,
): void {
  const { inputs, values } = network;
  const [biases, outs] = [HINGES * inputs, HINGES * (inputs + 1)];
  const slopes = Float64Array.from({ length: HINGES }, (_, hinge) => (sums[hinge]! > 0 ? slope * values[outs + hinge]! : 0));
  for (let block = 0; block < HINGES; block += BLOCK) addBlock(block, { x, slopes }, gradient);
  for (let hinge = 0; hinge < HINGES; hinge += 1) {
    gradient[biases + hinge]! += slopes[hinge]!;
    gradient[outs + hinge]! += slope * Math.max(0, sums[hinge]!);
  }
  gradient[outs + HINGES]! += slope;
}

function addBlock(block: number, { x, slopes }: { readonly x: Float64Array; readonly slopes: Float64Array }, gradient: Float64Array): void {
  const [first, second, third, fourth] = [slopes[block]!, slopes[block + 1]!, slopes[block + 2]!, slopes[block + 3]!];
  // Hinges that are 0 for this pair have nothing to learn from it: where all of a block are, there is nothing to add.
  if (first === 0 && second === 0 && third === 0 && fourth === 0) return;
  const inputs = x.length;
  const start = block * inputs;
  for (let at = 0; at < inputs; at += 1) {
    const input = x[at]!;
    const weight = start + at;
    gradient[weight]! += input * first;
    gradient[weight + inputs]! += input * second;
    gradient[weight + 2 * inputs]! += input * third;
    gradient[weight + 3 * inputs]! += input * fourth;
  }
}
