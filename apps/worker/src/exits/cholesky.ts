import { InvariantError } from '@rerank-fleet/core/errors';

/**
 * Factor L of a symmetric positive definite matrix A = L·Lᵀ, in place: the lower triangle of `matrix`, `[size, size]` in row-major order, becomes L; what is above it is
 * left alone (Cholesky, by rows).
 *
 * @throws InvariantError where the matrix is not positive definite
 */
export function factorize(matrix: Float64Array, size: number): void {
  for (let row = 0; row < size; row += 1) {
    const start = row * size;
    for (let column = 0; column < row; column += 1) {
      const other = column * size;
      matrix[start + column] = (matrix[start + column]! - dot(matrix, start, other, column)) / matrix[other + column]!;
    }
    const left = matrix[start + row]! - dot(matrix, start, start, row);
    if (!(left > 0)) throw new InvariantError('The matrix to be factorized is not positive definite.');
    matrix[start + row] = Math.sqrt(left);
  }
}

/** Solves L·Lᵀ·x = y for a factor of `factorize`. */
export function solveFactorized(factor: Float64Array, size: number, y: Float64Array): Float64Array {
  const x = Float64Array.from(y);
  for (let row = 0; row < size; row += 1) {
    let sum = x[row]!;
    for (let column = 0; column < row; column += 1) sum -= factor[row * size + column]! * x[column]!;
    x[row] = sum / factor[row * size + row]!;
  }
  for (let row = size - 1; row >= 0; row -= 1) {
    const value = x[row]! / factor[row * size + row]!;
    x[row] = value;
    // By rows of the factor, which are columns of its transpose.
    for (let column = 0; column < row; column += 1) x[column]! -= factor[row * size + column]! * value;
  }
  return x;
}

/** Of the first numbers of two rows. Four sums: one would wait for itself. */
function dot(matrix: Float64Array, a: number, b: number, length: number): number {
  let [first, second, third, fourth] = [0, 0, 0, 0];
  let at = 0;
  for (; at + 3 < length; at += 4) {
    first += matrix[a + at]! * matrix[b + at]!;
    second += matrix[a + at + 1]! * matrix[b + at + 1]!;
    third += matrix[a + at + 2]! * matrix[b + at + 2]!;
    fourth += matrix[a + at + 3]! * matrix[b + at + 3]!;
  }
  for (; at < length; at += 1) first += matrix[a + at]! * matrix[b + at]!;
  return first + second + third + fourth;
}
