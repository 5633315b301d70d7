import type { TopK } from './top-k.js';

const BLOCK_BITS = 12;
const BLOCK_ROWS = 1 << BLOCK_BITS;

/** Vectors by row, `[rows, dimensions]`, in blocks of 4,096 rows, so that growing never copies what is there. */
export class DenseMatrix {
  private readonly blocks: Float32Array[] = [];
  private count = 0;

  constructor(private readonly dimensions: number) {}

  /** Appends a copy of a vector times `scale`. */
  push(vector: Float32Array, scale = 1): void {
    const at = this.count & (BLOCK_ROWS - 1);
    if (at === 0) this.blocks.push(new Float32Array(BLOCK_ROWS * this.dimensions));
    const block = this.blocks[this.count >> BLOCK_BITS]!;
    const first = at * this.dimensions;
    if (scale === 1) block.set(vector, first);
    else for (let i = 0; i < vector.length; i += 1) block[first + i] = vector[i]! * scale;
    this.count += 1;
  }

  row(index: number): Float32Array {
    const at = (index & (BLOCK_ROWS - 1)) * this.dimensions;
    return this.blocks[index >> BLOCK_BITS]!.subarray(at, at + this.dimensions);
  }

  /** Offers each allowed row with its dot product with `query`. `allowed` has a byte a row; `orders` breaks ties. */
  search(query: Float32Array, allowed: Uint8Array, orders: Float64Array, best: TopK): void {
    for (let first = 0; first < this.count; first += BLOCK_ROWS) {
      const rows = Math.min(BLOCK_ROWS, this.count - first);
      searchBlock(this.blocks[first >> BLOCK_BITS]!, query, { first, rows, allowed, orders, best });
    }
  }
}

interface BlockScan {
  readonly first: number;
  readonly rows: number;
  readonly allowed: Uint8Array;
  readonly orders: Float64Array;
  readonly best: TopK;
}

/** Four independent sums let the additions of one row overlap: twice the speed of one sum. */
function searchBlock(block: Float32Array, query: Float32Array, scan: BlockScan): void {
  const { first, rows, allowed, orders, best } = scan;
  const dimensions = query.length;
  const whole = dimensions - (dimensions % 4);
  let at = 0;
  for (let row = first; row < first + rows; row += 1, at += dimensions) {
    if (allowed[row] === 0) continue;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i < whole; i += 4) {
      a += query[i]! * block[at + i]!;
      b += query[i + 1]! * block[at + i + 1]!;
      c += query[i + 2]! * block[at + i + 2]!;
      d += query[i + 3]! * block[at + i + 3]!;
    }
    for (let i = whole; i < dimensions; i += 1) a += query[i]! * block[at + i]!;
    const score = a + b + (c + d);
    if (score >= best.floor) best.offer(row, score, orders[row]!);
  }
}

/** What makes a vector's length one; a zero vector stays zero. */
export function unitScale(vector: Float32Array): number {
  let squares = 0;
  for (let i = 0; i < vector.length; i += 1) squares += vector[i]! * vector[i]!;
  return squares > 0 ? 1 / Math.sqrt(squares) : 0;
}
