import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { silenceModelRuntime } from '@rerank-fleet/core/config';
import { RerankError, invariant } from '@rerank-fleet/core/errors';
import type { BatchFeatures, FeatureCollector, FeatureSource } from '../exits/collect-samples.js';
import type { TokenSequence } from '../pipeline/batch-runner.js';
import type { FeatureMessage } from './feature-messages.js';
import type { SegmentSource } from './segment-runner.js';

/** Threads that each have all segments of a model: sessions of one thread would run one after the other. */
export class FeaturePool implements FeatureSource {
  readonly cuts: readonly number[];
  readonly width: number;
  readonly collectors: readonly FeatureCollector[];
  readonly #threads: readonly FeatureThread[];

  private constructor({ cuts, width }: SegmentSource['set'], threads: readonly FeatureThread[]) {
    this.cuts = cuts;
    this.width = width;
    this.collectors = threads;
    this.#threads = threads;
  }

  /** @throws RerankError `model_unavailable` if the segments cannot be loaded on the device */
  static async start(source: SegmentSource, threads: number): Promise<FeaturePool> {
    const started = Array.from({ length: threads }, () => new FeatureThread(source));
    const pool = new FeaturePool(source.set, started);
    try {
      await Promise.all(started.map((thread) => thread.ready));
      return pool;
    } catch (cause) {
      await pool.close();
      throw new RerankError('model_unavailable', `The segments of the model cannot be loaded on the device "${source.device}".`, { cause });
    }
  }

  /** Call it when no batch is in hand. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

/** One batch at a time. */
class FeatureThread implements FeatureCollector {
  readonly ready: Promise<unknown>;
  readonly #worker: Worker;

  constructor(source: SegmentSource) {
    silenceModelRuntime();
    this.#worker = new Worker(new URL('./feature-thread.js', import.meta.url), { workerData: source, name: 'features' });
    this.ready = this.#answer();
  }

  async collect(sequences: readonly TokenSequence[]): Promise<BatchFeatures> {
    // Copies: they are views of a larger buffer, all of which would go along.
    const own = sequences.map(({ ids, typeIds }) => ({ ids: ids.slice(), typeIds: typeIds.slice() }));
    const answered = this.#answer();
    this.#worker.postMessage({ sequences: own });
    const message = await answered;
    invariant(message !== 'ready', 'A feature thread that was asked said that it is ready.');
    if ('error' in message) throw new RerankError('internal_error', 'The model failed on one of the texts.', { cause: message.error });
    return message;
  }

  async close(): Promise<void> {
    if (this.#worker.threadId === -1) return;
    const ended = once(this.#worker, 'exit').catch(() => undefined);
    this.#worker.postMessage('close');
    await ended;
  }

  /** What the thread says next; rejects where it ends instead. */
  async #answer(): Promise<FeatureMessage> {
    const ending = new AbortController();
    const { signal } = ending;
    try {
      return await Promise.race([
        once(this.#worker, 'message', { signal }).then(([message]) => message as FeatureMessage),
        once(this.#worker, 'exit', { signal }).then(() => Promise.reject(new Error('A feature thread ended.'))),
      ]);
    } finally {
      ending.abort();
    }
  }
}
