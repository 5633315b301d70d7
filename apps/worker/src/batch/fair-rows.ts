export interface FairRowsOptions {
  /** Pairs of rows that run at once; one row runs whatever it has. */
  readonly pairsAtOnce: number;
  /** Pairs that a tenant may run before the next has its turn. */
  readonly quantum: number;
}

interface WaitingRow {
  readonly pairs: number;
  readonly start: () => void;
}

interface Flow {
  readonly rows: WaitingRow[];
  deficit: number;
}

/**
 * Lets the rows of all slices in hand run in turns of their tenants, a bounded number of pairs at once: what the planner holds stays small, so that a row that
 * comes late does not wait behind all that came before. Deficit round robin, flows that come new first (FQ-CoDel's scheduler, RFC 8290 section 4.1).
 */
export class FairRows {
  readonly #options: FairRowsOptions;
  readonly #flows = new Map<string, Flow>();
  /** Tenants that came with nothing waiting, and those that had a turn since. */
  readonly #newcomers: string[] = [];
  readonly #regulars: string[] = [];
  #inHand = 0;
  #pairsInHand = 0;

  constructor(options: FairRowsOptions) {
    this.#options = options;
  }

  /** Pairs of the rows that run. */
  get running(): number {
    return this.#pairsInHand;
  }

  /** Runs the work when it is the row's turn; rejects with the signal's reason if that comes first. */
  async run<T>(row: { readonly tenant: string; readonly pairs: number; readonly signal: AbortSignal }, work: () => Promise<T>): Promise<T> {
    row.signal.throwIfAborted();
    await this.#turn(row);
    try {
      row.signal.throwIfAborted();
      return await work();
    } finally {
      this.#inHand -= 1;
      // Pairs may be fractions, whose sums and differences leave a rest.
      this.#pairsInHand = this.#inHand === 0 ? 0 : this.#pairsInHand - row.pairs;
      this.#dispatch();
    }
  }

  #turn({ tenant, pairs, signal }: { readonly tenant: string; readonly pairs: number; readonly signal: AbortSignal }): Promise<void> {
    return new Promise((resolve) => {
      // One that is aborted takes its turn at once and leaves it again.
      const start = (): void => {
        signal.removeEventListener('abort', leave);
        this.#inHand += 1;
        this.#pairsInHand += pairs;
        resolve();
      };
      const waiting: WaitingRow = { pairs, start };
      const leave = (): void => {
        const rows = this.#flows.get(tenant)?.rows;
        const at = rows?.indexOf(waiting) ?? -1;
        if (at >= 0) rows?.splice(at, 1);
        start();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#queue(tenant, waiting);
      this.#dispatch();
    });
  }

  #queue(tenant: string, row: WaitingRow): void {
    const flow = this.#flows.get(tenant);
    if (flow !== undefined) {
      flow.rows.push(row);
      return;
    }
    this.#flows.set(tenant, { rows: [row], deficit: this.#options.quantum });
    this.#newcomers.push(tenant);
  }

  #dispatch(): void {
    for (let row = this.#next(); row !== undefined; row = this.#next()) row.start();
  }

  /** The row whose turn it is; none where nothing waits or enough runs. */
  #next(): WaitingRow | undefined {
    for (;;) {
      const list = this.#newcomers.length > 0 ? this.#newcomers : this.#regulars;
      const [tenant] = list;
      const flow = tenant === undefined ? undefined : this.#flows.get(tenant);
      if (tenant === undefined || flow === undefined) return undefined;
      const [row] = flow.rows;
      if (row !== undefined && this.#inHand > 0 && this.#pairsInHand + row.pairs > this.#options.pairsAtOnce) return undefined;
      if (row !== undefined && flow.deficit > 0) {
        flow.rows.shift();
        flow.deficit -= row.pairs;
        return row;
      }
      list.shift();
      if (row !== undefined) {
        flow.deficit += this.#options.quantum;
        this.#regulars.push(tenant);
      } else if (list === this.#newcomers) {
        // It stays a round among the regulars, or coming and going would make it new each time.
        this.#regulars.push(tenant);
      } else {
        this.#flows.delete(tenant);
      }
    }
  }
}
