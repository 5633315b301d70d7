import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { invariant } from '@rerank-fleet/core/errors';

/** So many weights in a row share a step: a hinge's weights of one vector of features, in the default model. */
const BLOCK = 384;

/** The largest weight of a block is so many steps from 0. Twice as many would win nothing that is seen, and bytes of fewer values pack better. */
const LEVELS = 63;

/** Digits of a step. */
const PRECISION = 5;

/** Signed bytes, deflated without a header, in base64. */
export type PackedBytes = string;

/** Weights of a hinge, a byte each. */
export interface ByteWeights {
  /** Of each block of 384 weights, in their order: what a byte is multiplied with. */
  readonly steps: readonly number[];
  readonly bytes: PackedBytes;
}

export const packBytes = (bytes: Int8Array): PackedBytes => deflateRawSync(bytes, { level: 9 }).toString('base64');

/** @throws InvariantError where there are not `count` bytes @throws Error of zlib where they are damaged */
export function unpackBytes(packed: PackedBytes, count: number): Int8Array {
  const bytes = new Int8Array(inflateRawSync(Buffer.from(packed, 'base64')));
  invariant(bytes.length === count, 'A head has too many or too few weights.');
  return bytes;
}

/** Rounds each weight to the nearest of 127 numbers of its block. */
export function packWeights(weights: Float64Array): ByteWeights {
  const blocks = Array.from({ length: Math.ceil(weights.length / BLOCK) }, (_, at) => weights.subarray(at * BLOCK, (at + 1) * BLOCK));
  const steps = blocks.map((block) => {
    const largest = block.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    return Number((largest / LEVELS).toPrecision(PRECISION));
  });
  const bytes = Int8Array.from(weights, (weight, at) => {
    const step = steps[Math.floor(at / BLOCK)]!;
    return step === 0 ? 0 : Math.round(weight / step);
  });
  return { steps, bytes: packBytes(bytes) };
}

/** @throws as `unpackBytes` */
export function unpackWeights({ steps, bytes }: ByteWeights, count: number): Float64Array {
  invariant(steps.length === Math.ceil(count / BLOCK), 'A head has too many or too few weights.');
  return Float64Array.from(unpackBytes(bytes, count), (byte, at) => byte * steps[Math.floor(at / BLOCK)]!);
}
