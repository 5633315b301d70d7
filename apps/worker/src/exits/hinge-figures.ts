import { packBytes, packWeights } from './byte-weights.js';
import type { HingeFit } from './fit-hinges.js';
import type { HingeFigures } from './heads-schema.js';
import { HINGES } from './hinge-network.js';
import { ofBytes } from './unit-weights.js';

/** A fit as a file has it: of the features as they are, standardisation worked in, weights rounded to bytes. */
export function hingeFigures({ network, scales, level, spread }: HingeFit): HingeFigures {
  const { inputs, values } = network;
  const { centre, scale } = scales;
  const [biases, outs] = [HINGES * inputs, HINGES * (inputs + 1)];
  const powers = Int8Array.from(scale, powerOf);
  const packedPowers = packBytes(powers);
  const units = Array.from({ length: HINGES }, (_, hinge) => {
    const weights = packWeights(Float64Array.from(scale, (factor, at) => factor * 2 ** powers[at]! * values[hinge * inputs + at]!));
    // Of the weights as they are after rounding.
    const bias = ofBytes(weights, powers).reduce((sum, weight, at) => sum - weight * centre[at]!, values[biases + hinge]!);
    return { weights, bias, out: values[outs + hinge]! * spread };
  });
  return { bias: level + spread * values[outs + HINGES]!, powers: packedPowers, units };
}

/** Of a feature, how large it is: its standard deviation is about two to the power of this. */
function powerOf(scale: number): number {
  return scale === 0 ? 0 : Math.max(-128, Math.min(127, Math.round(-Math.log2(scale))));
}
