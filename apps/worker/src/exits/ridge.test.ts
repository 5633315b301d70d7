import { describe, expect, it } from 'vitest';
import { gramMatrix } from './gram-matrix.js';
import { RidgeFolds } from './ridge.js';

/** Two columns that say something, and two that are zero. */
const ROWS = [
  [1, 0],
  [0, 2],
  [1, 2],
  [3, 0],
] as const;
const columns = Float32Array.from([...[0, 1].flatMap((column) => ROWS.map((row) => row[column]!)), ...new Float32Array(8)]);
const design = { columns, rows: ROWS.length, size: 4 };
const y = Float64Array.from(ROWS, ([a, b]) => 2 * a - b);

describe(gramMatrix, () => {
  it('multiplies each column with each before it, over the rows that are asked for', () => {
    const all = gramMatrix(design, [0, 4]);
    expect([all[0], all[4], all[5]]).toEqual([11, 2, 8]);
    const last = gramMatrix(design, [2, 4]);
    expect([last[0], last[4], last[5]]).toEqual([10, 2, 4]);
  });
});

describe(RidgeFolds, () => {
  const ridge = new RidgeFolds({
    design,
    y,
    folds: [
      [0, 2],
      [2, 4],
    ],
  });

  it('finds the weights that a small penalty leaves', () => {
    const [first, second, third] = ridge.solve(1e-9);
    expect(first).toBeCloseTo(2, 6);
    expect(second).toBeCloseTo(-1, 6);
    expect(third).toBeCloseTo(0, 6);
  });

  it('draws weights towards zero as the formula says', () => {
    // (XᵀX + 5)⁻¹ Xᵀy with XᵀX = [11 2; 2 8] and Xᵀy = [20, −4].
    const [first, second] = ridge.solve(5);
    expect(first).toBeCloseTo((20 * 13 + 4 * 2) / (16 * 13 - 4), 10);
    expect(second).toBeCloseTo((-4 * 16 - 20 * 2) / (16 * 13 - 4), 10);
  });

  it('leaves the rows of a fold out', () => {
    // Of the last two rows alone: XᵀX = [10 2; 2 4], Xᵀy = [18, 0].
    const [first, second] = ridge.solve(1, 0);
    expect(first).toBeCloseTo((18 * 5) / (11 * 5 - 4), 10);
    expect(second).toBeCloseTo((-18 * 2) / (11 * 5 - 4), 10);
  });
});
