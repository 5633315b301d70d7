import { invariant } from '@rerank-fleet/core/errors';
import { unpackBytes, unpackWeights, type ByteWeights } from './byte-weights.js';
import { decodeHalves } from './half-floats.js';
import type { HalfHingeFigures, HingeFigures } from './heads-schema.js';

/**
 * Weights of each unit, of the features as they are.
 *
 * @throws InvariantError where they are not `inputs` each @throws Error of zlib where they are damaged
 */
export function unitWeights(figures: HingeFigures | HalfHingeFigures, inputs: number): Float32Array[] {
  if (!('powers' in figures)) return figures.units.map((unit) => ofHalves(unit.weights, inputs));
  const powers = unpackBytes(figures.powers, inputs);
  return figures.units.map((unit) => ofBytes(unit.weights, powers));
}

/**
 * A file has weights of features that are each divided by a power of two, so that all features are about as large: a step that suits the weight of one that is seldom above
 * 0.001 would leave nothing of the weight of one that goes to 10.
 *
 * @throws as `unitWeights`
 */
export function ofBytes(weights: ByteWeights, powers: Int8Array): Float32Array {
  return Float32Array.from(unpackWeights(weights, powers.length), (weight, at) => weight / 2 ** powers[at]!);
}

function ofHalves(text: string, inputs: number): Float32Array {
  const weights = decodeHalves(text);
  invariant(weights.length === inputs, 'A head has too many or too few weights.');
  return weights;
}
