import type { Origin } from './source-item.js';

/**
 * Finds where a row of the upload came from: rows that were not valid are not sent, so the service counts others than the file does.
 * Rows that follow each other in one file share an entry, so that the map stays small for files of any length.
 */
export class OriginMap {
  readonly #runs: { readonly row: number; readonly origin: Origin }[] = [];
  #rows = 0;

  /** Rows so far. */
  get rows(): number {
    return this.#rows;
  }

  /** Notes the origin of the next row. */
  add(origin: Origin): void {
    this.#rows += 1;
    const last = this.#runs.at(-1);
    const follows =
      last?.origin.file === origin.file && last.origin.unit === origin.unit && origin.number - last.origin.number === this.#rows - last.row;
    if (!follows) this.#runs.push({ row: this.#rows, origin });
  }

  /** @param row counted from 1 */
  find(row: number): Origin | undefined {
    if (row < 1 || row > this.#rows) return undefined;
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#runs[middle]?.row ?? Infinity) <= row) low = middle;
      else high = middle - 1;
    }
    const run = this.#runs[low];
    return run === undefined ? undefined : { ...run.origin, number: run.origin.number + row - run.row };
  }
}
