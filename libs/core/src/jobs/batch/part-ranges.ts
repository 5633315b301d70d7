/** A set of parts of a job as ranges `[start, end)`, ascending, none of which touches the next. */
export class PartRanges {
  readonly #ranges: [start: number, end: number][] = [];

  /** Alternately the length of a gap and of the range that follows it. */
  static ofGaps(gaps: readonly number[]): PartRanges {
    const parts = new PartRanges();
    let at = 0;
    for (let position = 0; position + 1 < gaps.length; position += 2) {
      const start = at + gaps[position]!;
      at = start + gaps[position + 1]!;
      parts.#ranges.push([start, at]);
    }
    return parts;
  }

  toGaps(): number[] {
    let at = 0;
    return this.#ranges.flatMap(([start, end]) => {
      const gap = start - at;
      at = end;
      return [gap, end - start];
    });
  }

  /** One beyond the last part; 0 if there is none. */
  get end(): number {
    return this.#ranges.at(-1)?.[1] ?? 0;
  }

  /** Whether it holds each of the first `count` parts. */
  holdsFirst(count: number): boolean {
    return count === 0 || (this.#ranges[0]?.[0] === 0 && this.#ranges[0][1] >= count);
  }

  has(part: number): boolean {
    const range = this.#ranges[this.#firstEndingAfter(part)];
    return range !== undefined && range[0] <= part;
  }

  add(part: number): void {
    const next = this.#firstEndingAfter(part);
    const after = this.#ranges[next];
    if (after !== undefined && after[0] <= part) return;
    const before = this.#ranges[next - 1];
    const meetsBefore = before?.[1] === part;
    const meetsAfter = after?.[0] === part + 1;
    if (meetsBefore && meetsAfter) {
      before[1] = after[1];
      this.#ranges.splice(next, 1);
    } else if (meetsBefore) before[1] = part + 1;
    else if (meetsAfter) after[0] = part;
    else this.#ranges.splice(next, 0, [part, part + 1]);
  }

  #firstEndingAfter(part: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]![1] <= part) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
