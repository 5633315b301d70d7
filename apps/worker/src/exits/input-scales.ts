/** Mean of each feature, and one by its standard deviation: 0 for a feature that is the same everywhere, which leaves it out. */
export interface InputScales {
  readonly centre: Float64Array;
  readonly scale: Float64Array;
}

/** A feature that varies by less, or by less than a millionth of its mean, does so by rounding alone. */
const LEAST_DEVIATION = 1e-6;

/** @param features `[pairs, size]` in row-major order */
export function inputScales(features: Float32Array, size: number): InputScales {
  const rows = Math.max(1, features.length / size);
  const [centre, scale] = [new Float64Array(size), new Float64Array(size)];
  for (let row = 0; row < features.length; row += size) for (let at = 0; at < size; at += 1) centre[at]! += features[row + at]!;
  for (let at = 0; at < size; at += 1) centre[at]! /= rows;
  for (let row = 0; row < features.length; row += size)
    for (let at = 0; at < size; at += 1) {
      const apart = features[row + at]! - centre[at]!;
      scale[at]! += apart * apart;
    }
  for (let at = 0; at < size; at += 1) {
    const deviation = Math.sqrt(scale[at]! / rows);
    scale[at] = deviation > LEAST_DEVIATION * Math.max(1, Math.abs(centre[at]!)) ? 1 / deviation : 0;
  }
  return { centre, scale };
}
