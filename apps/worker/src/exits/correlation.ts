/** Pearson's; 0 where one of the two is the same everywhere. */
export function correlationOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [first, second] = [meanOf(a), meanOf(b)];
  let [product, left, right] = [0, 0, 0];
  for (let at = 0; at < a.length; at += 1) {
    const [x, y] = [a[at]! - first, b[at]! - second];
    product += x * y;
    left += x * x;
    right += y * y;
  }
  return left === 0 || right === 0 ? 0 : product / Math.sqrt(left * right);
}

/** The values less their mean in each group. */
export function withoutMeans(values: ArrayLike<number>, groups: ArrayLike<number>): Float64Array {
  const [sums, counts] = [new Map<number, number>(), new Map<number, number>()];
  for (let at = 0; at < values.length; at += 1) {
    sums.set(groups[at]!, (sums.get(groups[at]!) ?? 0) + values[at]!);
    counts.set(groups[at]!, (counts.get(groups[at]!) ?? 0) + 1);
  }
  return Float64Array.from(values, (value, at) => value - sums.get(groups[at]!)! / counts.get(groups[at]!)!);
}

/** Root of the mean of squares of the differences. */
export function deviationOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  for (let at = 0; at < a.length; at += 1) squares += (a[at]! - b[at]!) ** 2;
  return Math.sqrt(squares / Math.max(1, a.length));
}

function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < values.length; at += 1) sum += values[at]!;
  return sum / Math.max(1, values.length);
}
