import type { PairSpans } from './pair-spans.js';

/** A batch's hidden state at a cut, `[batch, sequence, width]` in row-major order. Half floats are read as they are; nothing is copied. */
export interface HiddenRows {
  readonly values: Float32Array | Float16Array;
  readonly sequence: number;
  readonly width: number;
}

/** The first token, the query's mean, the passage's mean and the product of both. */
const PARTS = 4;

/** Numbers that a head is given of a pair. */
export const featureCount = (width: number): number => PARTS * width;

/**
 * Features of one row: `[first token, mean over the query, mean over the passage, product of the means]`, each `width` long. A text without tokens has zeros for
 * its mean.
 */
export function poolFeatures(hidden: HiddenRows, row: number, spans: PairSpans, target: Float32Array): void {
  const { values, sequence, width } = hidden;
  const start = row * sequence * width;
  for (let dimension = 0; dimension < width; dimension += 1) target[dimension] = values[start + dimension]!;
  meanInto(target.subarray(width, 2 * width), hidden, start, [spans.queryStart, spans.queryEnd]);
  meanInto(target.subarray(2 * width, 3 * width), hidden, start, [spans.passageStart, spans.passageEnd]);
  for (let dimension = 0; dimension < width; dimension += 1)
    target[3 * width + dimension] = target[width + dimension]! * target[2 * width + dimension]!;
}

function meanInto(mean: Float32Array, { values, width }: HiddenRows, start: number, [from, to]: readonly [number, number]): void {
  mean.fill(0);
  for (let position = from; position < to; position += 1) {
    const token = start + position * width;
    for (let dimension = 0; dimension < width; dimension += 1) mean[dimension]! += values[token + dimension]!;
  }
  const share = 1 / Math.max(1, to - from);
  for (let dimension = 0; dimension < width; dimension += 1) mean[dimension]! *= share;
}
