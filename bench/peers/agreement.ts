export interface Agreement {
  /** Pearson's r of the logits. */
  readonly correlation: number;
  readonly meanDifference: number;
  readonly worstDifference: number;
  /** Kendall's tau-a within the candidates of a query, mean over the queries: 1 is the same order. */
  readonly tau: number;
}

type Lists = readonly (readonly number[])[];

/** Whether two programs did the same work. Their logits differ a little: a dynamic-int8 logit depends on its batch mates. */
export function agreementOf(ours: Lists, theirs: Lists): Agreement {
  const [a, b] = [ours.flat(), theirs.flat()];
  const differences = a.map((value, index) => Math.abs(value - b[index]!));
  return {
    correlation: pearson(a, b),
    meanDifference: mean(differences),
    worstDifference: Math.max(...differences),
    tau: mean(ours.map((list, index) => kendall(list, theirs[index]!))),
  };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function pearson(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  const covariance = mean(a.map((value, index) => (value - meanA) * (b[index]! - meanB)));
  const variance = (values: readonly number[], middle: number): number => mean(values.map((value) => (value - middle) ** 2));
  return covariance / Math.sqrt(variance(a, meanA) * variance(b, meanB));
}

function kendall(a: readonly number[], b: readonly number[]): number {
  let agreeing = 0;
  for (let first = 0; first < a.length; first += 1)
    for (let second = 0; second < first; second += 1) agreeing += Math.sign((a[first]! - a[second]!) * (b[first]! - b[second]!));
  return (2 * agreeing) / (a.length * (a.length - 1));
}
