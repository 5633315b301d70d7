import { RerankError } from '@rerank-fleet/core/errors';

/** The calls of one process to stores, one of which fails: before it was done, or after, as where its answer is lost. */
export class OneFailure {
  #calls = 0;
  readonly #nth: number;
  readonly #when: 'before' | 'after';
  isOver = false;

  constructor(nth: number, when: 'before' | 'after') {
    this.#nth = nth;
    this.#when = when;
  }

  through<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (_, name) => {
        const member = Reflect.get(target, name, target) as (...values: unknown[]) => Promise<unknown>;
        return async (...values: unknown[]) => {
          this.#calls += 1;
          const fails = !this.isOver && this.#calls === this.#nth;
          if (fails) this.isOver = true;
          if (!fails || this.#when === 'after') {
            const value = await Reflect.apply(member, target, values);
            if (!fails) return value;
          }
          throw new RerankError('candidate_store_unavailable', 'Made up.');
        };
      },
    });
  }
}
