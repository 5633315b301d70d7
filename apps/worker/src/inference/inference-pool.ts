import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { silenceModelRuntime } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import { RunnerFault, SegmentsNotLoaded, type BatchOutput, type BatchRunner, type PaddedBatch } from '../pipeline/batch-runner.js';
import { KnownBatches } from './known-batches.js';
import type { CloseCall, InferenceCall, InferenceMessage, InferenceThreadData } from './inference-messages.js';
import { saysOutOfMemory } from './out-of-memory.js';
import { RespawnDelay } from './respawn-delay.js';

export interface InferencePoolOptions extends InferenceThreadData {
  readonly threads: number;
  readonly batchTimeoutMs: number;
  /** A batch outlived its timeout, a thread does not come back, or a new one fails on everything, too; a thread inside the model cannot be interrupted, so the process has to end. */
  readonly onHang: (detail: string) => void;
  readonly onThreadDeath: (detail: string) => void;
}

/** A batch that runs longer than this while its thread is closed is cut off. */
const CLOSE_PATIENCE_MS = 5_000;
/** Attempts to start a thread again before the process ends. */
const RESPAWNS = 4;
/** Failures of a model in a row, after which it is tried whether it fails on everything: a GPU that was lost does, and its thread goes on. */
const SUSPICIOUS = 8;

interface InHand {
  readonly resolve: (output: BatchOutput) => void;
  readonly reject: (error: Error) => void;
  readonly describe: string;
  readonly model: string;
  /** Of the first batch of its model. */
  readonly sample: PaddedBatch | undefined;
  /** Absent while it waits behind another. */
  timer?: NodeJS.Timeout;
}

/** One thread with its sessions: runs one batch at a time, in the order in which they come. */
class InferenceThread implements BatchRunner {
  readonly takesAhead = true;
  readonly #options: InferencePoolOptions;
  readonly #known: KnownBatches;
  readonly #inHand = new Map<number, InHand>();
  /** In a row, by model. */
  readonly #failures = new Map<string, number>();
  readonly #delay = new RespawnDelay();
  readonly #closing = new AbortController();
  #worker!: Worker;
  #ready: Promise<void> = Promise.resolve();
  #nextId = 0;
  /** Why it was told to end. */
  #verdict: string | undefined;
  /** Since it was started. */
  #hasRun = false;

  constructor(options: InferencePoolOptions, known: KnownBatches) {
    this.#options = options;
    this.#known = known;
  }

  async start(): Promise<void> {
    silenceModelRuntime();
    const { models, device, intraOpThreads } = this.#options;
    const workerData: InferenceThreadData = { models, device, intraOpThreads };
    this.#worker = new Worker(new URL('./inference-thread.js', import.meta.url), { workerData, name: 'inference' });
    await new Promise<void>((resolve, reject) => {
      this.#worker.on('message', (message: InferenceMessage) => ('ready' in message ? resolve() : this.#settle(message)));
      this.#worker.once('error', reject);
      this.#worker.once('exit', () => reject(new Error('The inference thread ended before it was ready.')));
    });
    this.#worker.removeAllListeners('error').removeAllListeners('exit');
    let fault: string | undefined;
    this.#verdict = undefined;
    this.#hasRun = false;
    this.#failures.clear();
    this.#worker.on('error', (error) => (fault = error instanceof Error ? error.message : 'unknown fault'));
    this.#worker.once('exit', (status) => this.#mourn(this.#verdict ?? fault ?? `it ended with status ${status}`));
  }

  async run(batch: PaddedBatch): Promise<BatchOutput> {
    await this.#ready;
    if (this.#closing.signal.aborted) throw new RunnerFault('thread-lost', 'the thread is closed');
    const id = this.#nextId++;
    return await new Promise((resolve, reject) => {
      const describe = `${batch.batch} × ${batch.sequence} tokens`;
      this.#inHand.set(id, { resolve, reject, describe, model: batch.model, sample: this.#known.sampleOf(batch) });
      this.#watchFirst();
      const call: InferenceCall = { id, ...batch };
      this.#worker.postMessage(call, [batch.inputIds.buffer, batch.attentionMask.buffer, batch.tokenTypeIds.buffer] as ArrayBuffer[]);
    });
  }

  /** A batch in hand is rejected. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const { reject } of this.#takeInHand()) reject(new RunnerFault('thread-lost', 'the thread was closed'));
    await this.#ready.catch(() => undefined);
    if (this.#worker.threadId === -1) return;
    const ended = once(this.#worker, 'exit').catch(() => undefined);
    this.#worker.postMessage({ close: true } satisfies CloseCall);
    await Promise.race([ended, sleep(CLOSE_PATIENCE_MS, undefined, { ref: false })]);
    await this.#worker.terminate();
  }

  #settle(message: Exclude<InferenceMessage, { ready: true }>): void {
    const inHand = this.#inHand.get(message.id);
    // What fails on a thread that is to be replaced is tried again on the next.
    if (inHand === undefined || ('error' in message && this.#verdict !== undefined)) return;
    this.#inHand.delete(message.id);
    clearTimeout(inHand.timer);
    this.#watchFirst();
    if (!('error' in message)) this.#succeed(inHand, message);
    else if (message.atLoad === true) inHand.reject(new SegmentsNotLoaded(message.error));
    else if (saysOutOfMemory(message.error)) inHand.reject(new RunnerFault('out-of-memory', message.error));
    else {
      inHand.reject(new RerankError('internal_error', 'The model failed on one of the texts.', { cause: message.error }));
      this.#suspect(inHand.model);
    }
  }

  #succeed({ model, sample, resolve }: InHand, output: BatchOutput): void {
    this.#hasRun = true;
    this.#failures.delete(model);
    if (sample !== undefined) this.#known.remember(sample);
    resolve(output);
  }

  /** Texts may be bad, eight in a row too; a thread whose model fails on what it ran before is replaced. */
  #suspect(model: string): void {
    const failures = (this.#failures.get(model) ?? 0) + 1;
    this.#failures.set(model, failures);
    const known = this.#known.of(model);
    if (failures !== SUSPICIOUS || known === undefined) return;
    this.run(known).catch((error: unknown) => {
      // Whatever else went wrong says nothing of the model.
      if (error instanceof RunnerFault || !(error instanceof RerankError)) this.#failures.delete(model);
      else this.#replace(`the model fails whatever it is given: ${String(error.cause)}`);
    });
  }

  /** Ends the thread when it is through with what it has in hand; what comes meanwhile waits for the next. A new process may have what a new thread has not. */
  #replace(verdict: string): void {
    if (!this.#hasRun) {
      this.#options.onHang(`A new thread did not help: ${verdict}`);
      return;
    }
    this.#verdict = verdict;
    const worker = this.#worker;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.#ready = ended.then(() => (this.#closing.signal.aborted ? undefined : this.#ready));
    worker.postMessage({ close: true } satisfies CloseCall);
    setTimeout(() => void worker.terminate(), CLOSE_PATIENCE_MS).unref();
  }

  /** The time of a batch begins when it is the first in hand. */
  #watchFirst(): void {
    const [first] = this.#inHand.values();
    if (first === undefined || first.timer !== undefined) return;
    const { batchTimeoutMs, onHang } = this.#options;
    first.timer = setTimeout(() => onHang(`A batch of ${first.describe} ran longer than ${batchTimeoutMs} ms.`), batchTimeoutMs);
  }

  /** The thread ended: another takes its place. What it had in hand fails once that one is ready, so that it can be tried again. */
  #mourn(fault: string): void {
    if (this.#closing.signal.aborted) return;
    this.#options.onThreadDeath(fault);
    const lost = this.#takeInHand();
    this.#ready = this.#respawn().finally(() => {
      for (const { reject } of lost) reject(new RunnerFault('thread-lost', fault));
    });
    this.#ready.catch(() => undefined);
  }

  async #respawn(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await sleep(this.#delay.afterDeath(performance.now()), undefined, { signal: this.#closing.signal });
        await this.start();
        return;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        if (attempt < RESPAWNS) continue;
        this.#options.onHang(`The inference thread did not come back: ${String(error)}`);
        throw error;
      }
    }
  }

  #takeInHand(): readonly InHand[] {
    const taken = [...this.#inHand.values()];
    this.#inHand.clear();
    for (const { timer } of taken) clearTimeout(timer);
    return taken;
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
    const known = new KnownBatches();
    const threads = Array.from({ length: options.threads }, () => new InferenceThread(options, known));
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
