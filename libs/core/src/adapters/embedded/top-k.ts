/** The best `capacity` rows by score; equal scores prefer the lower order number. A binary heap with the worst at its root. */
export class TopK {
  /** A row below this score cannot enter: a cheap test before `offer`. */
  floor = -Infinity;
  private size = 0;
  private readonly scores: Float64Array;
  private readonly orders: Float64Array;
  private readonly rows: Uint32Array;

  constructor(private readonly capacity: number) {
    this.scores = new Float64Array(capacity);
    this.orders = new Float64Array(capacity);
    this.rows = new Uint32Array(capacity);
  }

  offer(row: number, score: number, order: number): void {
    if (this.size < this.capacity) {
      this.place(this.size, row, score, order);
      this.size += 1;
      this.rise(this.size - 1);
    } else {
      if (score < this.floor || (score === this.floor && order > this.orders[0]!)) return;
      this.place(0, row, score, order);
      this.sink();
    }
    if (this.size === this.capacity) this.floor = this.scores[0]!;
  }

  /** Best first. */
  ranked(): ScoredRow[] {
    return Array.from({ length: this.size }, (_, i) => ({ row: this.rows[i]!, score: this.scores[i]!, order: this.orders[i]! }))
      .sort((a, b) => b.score - a.score || a.order - b.order)
      .map(({ row, score }) => ({ row, score }));
  }

  private place(at: number, row: number, score: number, order: number): void {
    this.rows[at] = row;
    this.scores[at] = score;
    this.orders[at] = order;
  }

  private worse(a: number, b: number): boolean {
    const difference = this.scores[a]! - this.scores[b]!;
    return difference < 0 || (difference === 0 && this.orders[a]! > this.orders[b]!);
  }

  private swap(a: number, b: number): void {
    const [row, score, order] = [this.rows[a]!, this.scores[a]!, this.orders[a]!];
    this.place(a, this.rows[b]!, this.scores[b]!, this.orders[b]!);
    this.place(b, row, score, order);
  }

  private rise(at: number): void {
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.worse(at, parent)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private sink(): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let worst = at;
      if (left < this.size && this.worse(left, worst)) worst = left;
      if (right < this.size && this.worse(right, worst)) worst = right;
      if (worst === at) return;
      this.swap(at, worst);
      at = worst;
    }
  }
}

export interface ScoredRow {
  readonly row: number;
  readonly score: number;
}
