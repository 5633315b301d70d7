import type { Design } from './gram-matrix.js';

export interface Samples {
  /** `[pairs, size]` in row-major order. */
  readonly features: Float32Array;
  readonly size: number;
  readonly queries: Int32Array;
  readonly logits: Float32Array;
  /** Pairs in the order of the design's rows. */
  readonly order: Int32Array;
}

export interface StandardDesign {
  readonly design: Design;
  readonly y: Float64Array;
  /** Mean of each feature, and one by its standard deviation. */
  readonly centre: Float64Array;
  readonly scale: Float64Array;
  /** Mean logit. */
  readonly level: number;
}

/**
 * What is taken out of a query's rows, of their mean. Which pair of a query is better matters more than how good a query's pairs are: with nothing taken out, weights are
 * spent on the latter; with all, nothing is known of levels.
 */
const CENTRING = 0.5;
/** Weight of a pair whose logit is above the median, and below: pairs that are hopeless are most of all, and it is the others that are to be told apart. */
const WEIGHTS = [1.5, 0.5] as const;
/** A feature that is the same everywhere is left out by what it is divided by. */
const LEAST_DEVIATION = 1e-6;

/** Rows of a weighted regression on standardised features. */
export function standardise(samples: Samples): StandardDesign {
  const { size, queries, logits, order } = samples;
  const rows = order.length;
  const median = logits.toSorted()[rows >> 1] ?? 0;
  const weights = Float64Array.from(order, (pair) => WEIGHTS[logits[pair]! > median ? 0 : 1]);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const groups = groupsOf(order.map((pair) => queries[pair]!));
  const columns = new Float32Array(size * rows);
  const [centre, scale] = [new Float64Array(size), new Float64Array(size)];
  const column = new Float64Array(rows);
  for (let at = 0; at < size; at += 1) {
    order.forEach((pair, row) => (column[row] = samples.features[pair * size + at]!));
    centre[at] = weightedMean(column, weights, total);
    const squares = column.reduce((sum, value, row) => sum + weights[row]! * (value - centre[at]!) ** 2, 0);
    scale[at] = 1 / (Math.sqrt(squares / total) + LEAST_DEVIATION);
    column.forEach((value, row) => (column[row] = (value - centre[at]!) * scale[at]!));
    columns.set(regressed(column, weights, groups), at * rows);
  }
  const targets = Float64Array.from(order, (pair) => logits[pair]!);
  const level = weightedMean(targets, weights, total);
  const y = regressed(
    targets.map((value) => value - level),
    weights,
    groups,
  );
  return { design: { columns, rows, size }, y, centre, scale, level };
}

const weightedMean = (values: Float64Array, weights: Float64Array, total: number): number =>
  values.reduce((sum, value, row) => sum + weights[row]! * value, 0) / total;

/** Stretches of rows of one query. */
function groupsOf(queries: Int32Array): (readonly [from: number, to: number])[] {
  const groups: (readonly [number, number])[] = [];
  for (let from = 0, to = 1; from < queries.length; from = to, to += 1) {
    while (to < queries.length && queries[to] === queries[from]) to += 1;
    groups.push([from, to]);
  }
  return groups;
}

/** Numbers of a column as the regression takes them. */
function regressed(values: Float64Array, weights: Float64Array, groups: readonly (readonly [number, number])[]): Float64Array {
  const result = new Float64Array(values.length);
  for (const [from, to] of groups) {
    let mean = 0;
    for (let row = from; row < to; row += 1) mean += values[row]! / (to - from);
    for (let row = from; row < to; row += 1) result[row] = (values[row]! - CENTRING * mean) * Math.sqrt(weights[row]!);
  }
  return result;
}
