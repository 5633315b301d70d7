import { Readable } from 'node:stream';

/** The calls of one process to what outlives it: it dies before or after the n-th of them, and nothing that it waits for then ever comes. */
export class Life {
  readonly #dies: number;
  readonly #when: 'before' | 'after';
  readonly #streams: Readable[] = [];
  #die: () => void = () => undefined;
  readonly death = new Promise<void>((resolve) => (this.#die = resolve));
  ended = false;
  calls = 0;

  constructor(dies: number, when: 'before' | 'after') {
    this.#dies = dies;
    this.#when = when;
  }

  through<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (_, name) => {
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? (...values: unknown[]) => this.#call(target, member as () => unknown, values) : member;
      },
    });
  }

  /** It dies now, whatever it does. */
  end(): void {
    this.ended = true;
    this.#die();
  }

  /** What the system does for a dead process. */
  bury(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  #call(target: object, member: () => unknown, values: unknown[]): unknown {
    this.#streams.push(...values.filter((value) => value instanceof Readable));
    this.calls += 1;
    if (this.#isOver('before')) return forever();
    const result: unknown = Reflect.apply(member, target, values);
    if (!(result instanceof Promise)) return result;
    return result.then((value: unknown) => {
      if (value instanceof Readable) this.#streams.push(value);
      if (this.ended) this.bury();
      return this.#isOver('after') ? forever() : value;
    });
  }

  #isOver(when: 'before' | 'after'): boolean {
    if (!this.ended && this.calls >= this.#dies && when === this.#when) {
      this.end();
    }
    return this.ended;
  }
}

/** Neither settles nor yields. */
function forever(): Promise<never> & AsyncIterable<never> {
  const never = new Promise<never>(() => undefined);
  return Object.assign(never, { [Symbol.asyncIterator]: () => ({ next: () => never }) });
}
