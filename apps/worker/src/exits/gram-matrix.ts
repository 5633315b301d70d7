import { invariant } from '@rerank-fleet/core/errors';

/** Rows of a design, stored by columns: `columns[column * rows + row]`. */
export interface Design {
  readonly columns: Float32Array;
  readonly rows: number;
  /** Columns, a multiple of four. */
  readonly size: number;
}

/** Columns that are multiplied with as many others at once: sixteen sums stay at hand. */
const TILE = 4;

/**
 * XᵀX over some of the rows, `[size, size]` in row-major order. Only its lower triangle and the tiles on the diagonal are computed; what is above them is zero.
 */
export function gramMatrix(design: Design, [from, to]: readonly [from: number, to: number]): Float64Array {
  const { columns, rows, size } = design;
  invariant(size % TILE === 0, 'A design needs a multiple of four columns.');
  const gram = new Float64Array(size * size);
  for (let row = 0; row < size; row += TILE) {
    for (let column = 0; column <= row; column += TILE) {
      const sums = tileOf(columns, { row: row * rows, column: column * rows, stride: rows, from, to });
      for (let at = 0; at < TILE * TILE; at += 1) gram[(row + (at >> 2)) * size + column + (at & 3)] = sums[at]!;
    }
  }
  return gram;
}

/** Xᵀy over some of the rows. */
export function momentsOf({ columns, rows, size }: Design, y: Float64Array, [from, to]: readonly [from: number, to: number]): Float64Array {
  return Float64Array.from({ length: size }, (_, column) => {
    let sum = 0;
    for (let row = from; row < to; row += 1) sum += columns[column * rows + row]! * y[row]!;
    return sum;
  });
}

interface Tile {
  /** Where the first column of each side begins. */
  readonly row: number;
  readonly column: number;
  readonly stride: number;
  readonly from: number;
  readonly to: number;
}

function tileOf(x: Float32Array, { row, column, stride, from, to }: Tile): readonly number[] {
  let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
  let [s20, s21, s22, s23, s30, s31, s32, s33] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let at = from; at < to; at += 1) {
    const [r, c] = [row + at, column + at];
    const a0 = x[r]!;
    const a1 = x[r + stride]!;
    const a2 = x[r + 2 * stride]!;
    const a3 = x[r + 3 * stride]!;
    const b0 = x[c]!;
    const b1 = x[c + stride]!;
    const b2 = x[c + 2 * stride]!;
    const b3 = x[c + 3 * stride]!;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
    s23 += a2 * b3;
    s30 += a3 * b0;
    s31 += a3 * b1;
    s32 += a3 * b2;
    s33 += a3 * b3;
  }
  return [s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33];
}
