import type { HingeFit } from './fit-hinges.js';
import { decodeHalves, encodeHalves } from './half-floats.js';
import type { HingeFigures } from './heads-schema.js';
import { HINGES } from './hinge-network.js';

/**
 * Largest weight of a hinge. A hinge that is scaled stays the same if its output is scaled back; so scaled, half floats keep all their digits of weights down to a
 * ten-millionth of the largest.
 */
const LARGEST = 1024;

/** A fit as a file has it: of the features as they are, standardisation worked in, weights rounded to half floats. */
export function hingeFigures({ network, scales, level, spread }: HingeFit): HingeFigures {
  const { inputs, values } = network;
  const { centre, scale } = scales;
  const [biases, outs] = [HINGES * inputs, HINGES * (inputs + 1)];
  const units = Array.from({ length: HINGES }, (_, hinge) => {
    const plain = Float64Array.from(scale, (factor, at) => factor * values[hinge * inputs + at]!);
    const largest = plain.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    const factor = largest === 0 ? 1 : LARGEST / largest;
    const weights = encodeHalves(plain.map((weight) => weight * factor));
    // Of the weights as they are after rounding.
    const bias = decodeHalves(weights).reduce((sum, weight, at) => sum - weight * centre[at]!, values[biases + hinge]! * factor);
    return { weights, bias, out: (values[outs + hinge]! * spread) / factor };
  });
  return { bias: level + spread * values[outs + HINGES]!, units };
}
