import type { Pooling } from '@rerank-fleet/core/domain';

export interface HiddenState {
  /** `[batch, sequence, hidden]`. */
  readonly values: Float32Array;
  readonly batch: number;
  readonly sequence: number;
  readonly hidden: number;
}

/**
 * One vector a sequence, `[batch, hidden]`: `cls` takes the first token, `mean` averages the tokens that the mask holds.
 * With `normalize` each is divided by its L2 norm (a zero vector stays zero).
 */
export function poolHiddenState(state: HiddenState, attentionMask: BigInt64Array, pooling: Pooling, normalize: boolean): Float32Array {
  const vectors = new Float32Array(state.batch * state.hidden);
  for (let row = 0; row < state.batch; row += 1) {
    const vector = vectors.subarray(row * state.hidden, (row + 1) * state.hidden);
    if (pooling === 'cls')
      vector.set(state.values.subarray(row * state.sequence * state.hidden, row * state.sequence * state.hidden + state.hidden));
    else meanInto(vector, state, row, attentionMask);
    if (normalize) normalizeInPlace(vector);
  }
  return vectors;
}

function meanInto(vector: Float32Array, state: HiddenState, row: number, attentionMask: BigInt64Array): void {
  // Each int64 as two halves: to read BigInts is slow.
  const mask = new Int32Array(attentionMask.buffer, attentionMask.byteOffset, attentionMask.length * 2);
  let tokens = 0;
  for (let position = 0; position < state.sequence; position += 1) {
    if (mask[(row * state.sequence + position) * 2] === 0) continue;
    tokens += 1;
    const start = (row * state.sequence + position) * state.hidden;
    for (let dimension = 0; dimension < state.hidden; dimension += 1) vector[dimension]! += state.values[start + dimension]!;
  }
  for (let dimension = 0; dimension < state.hidden; dimension += 1) vector[dimension]! /= Math.max(1, tokens);
}

export function normalizeInPlace(vector: Float32Array): void {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const norm = Math.sqrt(squares);
  if (norm === 0) return;
  for (let dimension = 0; dimension < vector.length; dimension += 1) vector[dimension]! /= norm;
}
