import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '@rerank-fleet/core/config';
import type { Logger } from '@rerank-fleet/core/observability';
import { startFakeWorker, type FakeWorker } from '../batch/fake-worker.ts';
import type { FakeModelShape } from '../batch/fake-model.ts';

interface Replica {
  readonly stop: AbortController;
  worker: FakeWorker | undefined;
  ended: Promise<void>;
}

/** Pods of a Deployment: each takes a while to be warm, and is told to stop in order when there are too many. */
export class SimulatedPool {
  readonly #start: () => Promise<FakeWorker>;
  readonly #warmUpMs: number;
  readonly #replicas: Replica[] = [];
  readonly #ended: Promise<void>[] = [];

  constructor(config: Config, shape: FakeModelShape, options: { readonly warmUpMs: number; readonly log: Logger }) {
    this.#start = () => startFakeWorker(config, shape, options.log);
    this.#warmUpMs = options.warmUpMs;
  }

  get replicas(): number {
    return this.#replicas.length;
  }

  get ready(): number {
    return this.#replicas.filter(({ worker }) => worker !== undefined).length;
  }

  /** The newest go first, as those that are not warm yet do in a cluster. */
  scaleTo(count: number): void {
    while (this.#replicas.length < count) this.#add();
    for (const replica of this.#replicas.splice(count).reverse()) {
      replica.stop.abort();
      this.#ended.push(replica.ended.then(() => replica.worker?.stop()));
    }
  }

  async close(): Promise<void> {
    this.scaleTo(0);
    await Promise.all(this.#ended);
  }

  #add(): void {
    const replica: Replica = { stop: new AbortController(), worker: undefined, ended: Promise.resolve() };
    const { signal } = replica.stop;
    replica.ended = sleep(this.#warmUpMs, undefined, { signal }).then(
      async () => {
        replica.worker = await this.#start();
      },
      () => undefined,
    );
    this.#replicas.push(replica);
  }
}
