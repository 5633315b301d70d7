/** What was to be loaded late could not be; nothing ran. */
export class LoadError extends Error {}

export interface LoadLateOptions {
  /** After a failure, for so long nothing is tried, and the same error is thrown. @defaultValue 0 */
  readonly pauseMs?: number;
  /** Milliseconds, monotonic. @defaultValue `performance.now` */
  readonly now?: () => number;
}

/** Loads when it is first asked for; after a failure it is tried again, as there may be room later. */
export class LoadLate<T> {
  readonly #load: () => Promise<T>;
  readonly #pauseMs: number;
  readonly #now: () => number;
  #loaded: Promise<T> | undefined;
  #failed: { readonly error: unknown; readonly until: number } | undefined;

  constructor(load: () => Promise<T>, { pauseMs = 0, now = () => performance.now() }: LoadLateOptions = {}) {
    this.#load = load;
    this.#pauseMs = pauseMs;
    this.#now = now;
  }

  async get(): Promise<T> {
    if (this.#failed !== undefined && this.#now() < this.#failed.until) throw this.#failed.error;
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#failed = { error, until: this.#now() + this.#pauseMs };
      this.#loaded = undefined;
      throw error;
    });
    return await this.#loaded;
  }

  async ifLoaded(): Promise<T | undefined> {
    return await this.#loaded?.catch(() => undefined);
  }
}
