import { describe, expect, it } from 'vitest';
import { factorize, solveFactorized } from './cholesky.js';

describe(factorize, () => {
  it('finds the factor of a textbook matrix', () => {
    const matrix = Float64Array.of(4, 0, 0, 12, 37, 0, -16, -43, 98);
    factorize(matrix, 3);
    expect([matrix[0], matrix[3], matrix[4], matrix[6], matrix[7], matrix[8]]).toEqual([2, 6, 1, -8, 5, 3]);
  });

  it('throws where the matrix is not positive definite', () => {
    expect(() => factorize(Float64Array.of(1, 0, 2, 1), 2)).toThrow(/positive definite/);
  });
});

describe(solveFactorized, () => {
  it('solves a system of more rows than its sums take at once', () => {
    const size = 11;
    const at = (row: number, column: number): number => (row === column ? size : 1 / (1 + Math.abs(row - column)));
    const matrix = Float64Array.from({ length: size * size }, (_, index) => at(Math.floor(index / size), index % size));
    const solution = Float64Array.from({ length: size }, (_, index) => index - 4);
    const y = Float64Array.from({ length: size }, (_, row) => solution.reduce((sum, value, column) => sum + at(row, column) * value, 0));
    factorize(matrix, size);
    const found = solveFactorized(matrix, size, y);
    for (const [index, value] of solution.entries()) expect(found[index]).toBeCloseTo(value, 10);
  });
});
