/** Many may pass together; one that must be alone waits for them to leave and holds back the rest. Served in order of arrival. */
export class ExclusiveGate {
  #tail: Promise<void> = Promise.resolve();
  readonly #inside = new Set<Promise<void>>();

  async pass<T>(alone: boolean, work: () => Promise<T>): Promise<T> {
    const ahead = this.#tail;
    let open: () => void = () => undefined;
    if (alone) this.#tail = new Promise((resolve) => (open = resolve));
    await ahead;
    if (alone) await Promise.all(this.#inside);
    const run = work();
    const settled = run.then(
      () => undefined,
      () => undefined,
    );
    this.#inside.add(settled);
    try {
      return await run;
    } finally {
      this.#inside.delete(settled);
      open();
    }
  }
}
