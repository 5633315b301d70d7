import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { RerankError } from '@rerank-fleet/core/errors';
import type { BatchOutput, BatchRunner, PaddedBatch } from '../pipeline/batch-runner.js';
import type { CloseCall, InferenceCall, InferenceMessage, InferenceThreadData } from './inference-messages.js';

export interface InferencePoolOptions extends InferenceThreadData {
  readonly threads: number;
  readonly batchTimeoutMs: number;
  /** A batch outlived its timeout; a thread inside the model cannot be interrupted, so the process has to end. */
  readonly onHang: (detail: string) => void;
  readonly onThreadDeath: (detail: string) => void;
}

/** A batch that runs longer than this while its thread is closed is cut off. */
const CLOSE_PATIENCE_MS = 5_000;

interface InHand {
  readonly resolve: (output: BatchOutput) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** One thread with its sessions: runs one batch at a time. */
class InferenceThread implements BatchRunner {
  readonly #options: InferencePoolOptions;
  readonly #inHand = new Map<number, InHand>();
  #worker!: Worker;
  #nextId = 0;
  #closed = false;

  constructor(options: InferencePoolOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { models, device, intraOpThreads } = this.#options;
    const workerData: InferenceThreadData = { models, device, intraOpThreads };
    this.#worker = new Worker(new URL('./inference-thread.js', import.meta.url), { workerData, name: 'inference' });
    await new Promise<void>((resolve, reject) => {
      this.#worker.on('message', (message: InferenceMessage) => ('ready' in message ? resolve() : this.#settle(message)));
      this.#worker.once('error', reject);
      this.#worker.once('exit', () => reject(new Error('The inference thread ended before it was ready.')));
    });
    this.#worker.removeAllListeners('error').removeAllListeners('exit');
    this.#worker.on('error', (error) => this.#options.onThreadDeath(error instanceof Error ? error.message : 'unknown fault'));
    this.#worker.once('exit', () => void this.#restart());
  }

  run(batch: PaddedBatch): Promise<BatchOutput> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          this.#options.onHang(`A batch of ${batch.batch} × ${batch.sequence} tokens ran longer than ${this.#options.batchTimeoutMs} ms.`),
        this.#options.batchTimeoutMs,
      );
      this.#inHand.set(id, { resolve, reject, timer });
      const call: InferenceCall = { id, ...batch };
      this.#worker.postMessage(call, [batch.inputIds.buffer, batch.attentionMask.buffer, batch.tokenTypeIds.buffer] as ArrayBuffer[]);
    });
  }

  /** A batch in hand is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#rejectAll([...this.#inHand.values()]);
    this.#inHand.clear();
    if (this.#worker.threadId === -1) return;
    const ended = once(this.#worker, 'exit').catch(() => undefined);
    this.#worker.postMessage({ close: true } satisfies CloseCall);
    await Promise.race([ended, sleep(CLOSE_PATIENCE_MS, undefined, { ref: false })]);
    await this.#worker.terminate();
  }

  #settle(message: Exclude<InferenceMessage, { ready: true }>): void {
    const inHand = this.#inHand.get(message.id);
    if (inHand === undefined) return;
    this.#inHand.delete(message.id);
    clearTimeout(inHand.timer);
    if ('error' in message)
      inHand.reject(new RerankError('internal_error', 'The model failed on one of the texts.', { cause: message.error }));
    else inHand.resolve(message);
  }

  /** What the thread had in hand fails and is tried again in halves; a new thread takes its place. */
  async #restart(): Promise<void> {
    if (this.#closed) return;
    const lost = [...this.#inHand.values()];
    this.#inHand.clear();
    try {
      await this.start();
    } catch (error) {
      if (!this.#closed) this.#options.onHang(`The inference thread did not come back: ${String(error)}`);
    }
    this.#rejectAll(lost);
  }

  #rejectAll(lost: readonly InHand[]): void {
    for (const { reject, timer } of lost) {
      clearTimeout(timer);
      reject(new RerankError('internal_error', 'The inference thread ended under a batch.'));
    }
  }
}

/** Threads with one set of sessions each. The main thread plans and moves buffers; it never runs a model, or locks would expire. */
export class InferencePool {
  readonly runners: readonly BatchRunner[];
  readonly #threads: readonly InferenceThread[];

  private constructor(threads: readonly InferenceThread[]) {
    this.#threads = threads;
    this.runners = threads;
  }

  /** @throws RerankError `model_unavailable` if a model cannot be loaded, or the device that was asked for cannot be had */
  static async start(options: InferencePoolOptions): Promise<InferencePool> {
    const threads = Array.from({ length: options.threads }, () => new InferenceThread(options));
    const pool = new InferencePool(threads);
    const started = await Promise.allSettled(threads.map((thread) => thread.start()));
    const failed = started.find(({ status }) => status === 'rejected');
    if (failed === undefined) return pool;
    await pool.close();
    const cause = (failed as PromiseRejectedResult).reason as Error;
    throw new RerankError('model_unavailable', `The models cannot be loaded on the device "${options.device}": ${cause.message}`, {
      cause,
    });
  }

  /** Frees the sessions with their threads; call it when no batch is in hand. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}
