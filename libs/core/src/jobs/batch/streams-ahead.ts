import type { Readable } from 'node:stream';

/** A store far away answers after some tens of milliseconds: so many answers are under way while one is read. */
const AHEAD = 4;

/** Streams that are read one after the other, some of them opened before their turn. */
export class StreamsAhead {
  readonly #open: (item: number) => Promise<Readable | undefined>;
  readonly #items: readonly number[];
  readonly #opened = new Map<number, Promise<Readable | undefined>>();
  #next = 0;

  constructor(items: readonly number[], open: (item: number) => Promise<Readable | undefined>) {
    this.#items = items;
    this.#open = open;
  }

  /** The stream of an item, in the order of the items; it is the caller's then. Others are opened meanwhile. */
  async take(item: number): Promise<Readable | undefined> {
    while (this.#next < this.#items.length && this.#opened.size <= AHEAD) {
      const ahead = this.#items[this.#next]!;
      this.#next += 1;
      const opened = this.#open(ahead);
      // Told to whoever takes it.
      opened.then(beginReading, () => undefined);
      this.#opened.set(ahead, opened);
    }
    const taken = this.#opened.get(item) ?? this.#open(item);
    this.#opened.delete(item);
    return await taken;
  }

  /** Frees those that nobody took. */
  close(): void {
    for (const opened of this.#opened.values())
      opened.then(
        (stream) => stream?.destroy(),
        () => undefined,
      );
    this.#opened.clear();
  }
}

function beginReading(stream: Readable | undefined): void {
  // Whoever takes it finds the fault there.
  stream?.on('error', () => undefined);
  stream?.read(0);
}
