import { Worker } from 'node:worker_threads';
import { isErrorCode, RerankError } from '@rerank-fleet/core/errors';
import { murmur3 } from '@rerank-fleet/core/retrieval';
import type { CancelCall, PingCall, TextAnswer, TextCall, TextMessage, TextReply, TextThreadData, TextWork } from './text-messages.js';

export interface ThreadCrewOptions {
  readonly data: TextThreadData;
  readonly threads: number;
  readonly program: URL;
  readonly onDeath: (detail: string) => void;
  /** A thread with work that is silent for longer hangs, and is ended. @defaultValue 30,000 */
  readonly silentMs?: number | undefined;
}

export interface CallOptions {
  readonly priority: 'sync' | 'batch';
  readonly signal: AbortSignal | undefined;
  /** Calls with the same go to the same thread where no other is freer. */
  readonly affinity: string;
  /** Told when the thread worked on it, before it is answered. It must not throw. */
  readonly onServed?: ((times: ServedTimes) => void) | undefined;
}

/** Epoch milliseconds. */
export type ServedTimes = Pick<Extract<TextReply, { answer: unknown }>, 'startedAt' | 'endedAt'>;

/** A thread shares its time among calls; more than these wait for whichever thread is free first. */
const MOST_IN_HAND = { sync: 32, batch: 2 } as const;
const SILENT_MS = 30_000;
/** Asked so often in that time, so that a process that stood still itself does not take its threads for dead. */
const PINGS = 6;
/** A call that two threads ended under is given up. */
const DEATHS_ALLOWED = 1;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
/** A thread that served as long did not die of its start. */
const SETTLED_MS = 10_000;

interface Call extends TextCall {
  readonly affinity: string;
  readonly settle: (reply: TextReply) => void;
  readonly fail: (error: Error) => void;
  deaths: number;
  /** Nobody waits for it any more. */
  dropped: boolean;
}

interface Thread {
  /** Undefined while it is dead. */
  worker: Worker | undefined;
  readonly inHand: Map<number, Call>;
  /** Since it last said something. */
  unansweredPings: number;
  backoffMs: number;
  /** Keeps away from uploads, where there are others for them. */
  readonly syncOnly: boolean;
}

/**
 * Hands calls to threads and brings back what they answer: sync calls first, to the thread with the least in hand. A thread that dies is started again, ever more
 * slowly; what it had in hand is tried once more, each call alone in its thread, so that it convicts no innocent.
 */
export class ThreadCrew {
  readonly #options: ThreadCrewOptions;
  readonly #threads: readonly Thread[];
  readonly #waiting: Readonly<Record<'sync' | 'batch', Set<Call>>> = { sync: new Set(), batch: new Set() };
  /** Calls that a thread ended under. */
  readonly #suspects = new Set<Call>();
  readonly #restarts = new Set<NodeJS.Timeout>();
  #watch: NodeJS.Timeout | undefined;
  #nextId = 0;
  #closed = false;

  private constructor(options: ThreadCrewOptions) {
    this.#options = options;
    this.#threads = Array.from({ length: options.threads }, (_, index) => ({
      worker: undefined,
      inHand: new Map(),
      unansweredPings: 0,
      backoffMs: FIRST_BACKOFF_MS,
      syncOnly: index === 0 && options.threads > 1,
    }));
  }

  /** @throws Error of a thread that does not start */
  static async start(options: ThreadCrewOptions): Promise<ThreadCrew> {
    const crew = new ThreadCrew(options);
    const started = await Promise.allSettled(crew.#threads.map((thread) => crew.#start(thread)));
    const failed = started.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) {
      crew.#watch = setInterval(() => crew.#ping(), (options.silentMs ?? SILENT_MS) / PINGS).unref();
      return crew;
    }
    await crew.close();
    throw failed.reason;
  }

  /** @throws RerankError what the thread answers, `internal_error` if two threads ended under the call; the signal's reason */
  call(work: TextWork, { priority, signal, affinity, onServed }: CallOptions): Promise<TextAnswer> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      if (this.#closed) return reject(stopped());
      const leave = (): void => signal?.removeEventListener('abort', abort);
      const call: Call = {
        id: this.#nextId++,
        priority,
        work,
        affinity,
        deaths: 0,
        dropped: false,
        settle: (reply) => {
          leave();
          if ('answer' in reply) {
            onServed?.(reply);
            resolve(reply.answer);
          } else reject(failureOf(reply));
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      const abort = (): void => {
        this.#drop(call);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting[priority].add(call);
      return this.#dispatch();
    });
  }

  /** Calls that wait or are in hand are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    for (const timer of this.#restarts) clearTimeout(timer);
    const left = [this.#waiting.sync, this.#waiting.batch, this.#suspects, ...this.#threads.map(({ inHand }) => inHand.values())];
    for (const calls of left) for (const { fail } of calls) fail(stopped());
    for (const { worker } of this.#threads) await worker?.terminate();
  }

  #dispatch(): void {
    if (this.#closed) return;
    for (const call of this.#suspects) {
      const idle = this.#threads.find(({ worker, inHand }) => worker !== undefined && inHand.size === 0);
      if (idle === undefined) break;
      this.#suspects.delete(call);
      hand(idle, call);
    }
    for (const calls of [this.#waiting.sync, this.#waiting.batch]) {
      for (const call of calls) {
        const thread = this.#freest(call);
        if (thread === undefined) break;
        calls.delete(call);
        hand(thread, call);
      }
    }
  }

  #freest({ priority, affinity }: Call): Thread | undefined {
    // While a suspect waits, the last thread takes nothing else, so that it becomes idle.
    const open = this.#suspects.size > 0 ? this.#threads.slice(0, -1) : this.#threads;
    const able = open.filter(
      ({ worker, inHand, syncOnly }) =>
        worker !== undefined &&
        !isTrying(inHand) &&
        (priority === 'sync' || !syncOnly) &&
        loadOf(inHand)[priority] < MOST_IN_HAND[priority],
    );
    if (able.length < 2) return able[0];
    const loads = able.map(({ inHand }) => {
      const { sync, batch } = loadOf(inHand);
      return sync + batch;
    });
    const least = Math.min(...loads);
    const freest = able.filter((_, index) => loads[index] === least);
    return freest[murmur3(affinity) % freest.length];
  }

  /** What a thread has in hand stays its own until it answers. */
  #drop(call: Call): void {
    this.#waiting[call.priority].delete(call);
    this.#suspects.delete(call);
    const thread = this.#threads.find(({ inHand }) => inHand.has(call.id));
    thread?.worker?.postMessage({ cancel: call.id } satisfies CancelCall);
    call.dropped = true;
  }

  /** A thread answers between two turns of its work; one that hangs in a text never does. */
  #ping(): void {
    for (const thread of this.#threads) {
      if (thread.worker === undefined || thread.inHand.size === 0) thread.unansweredPings = 0;
      else if (thread.unansweredPings++ < PINGS) thread.worker.postMessage({ ping: true } satisfies PingCall);
      else void thread.worker.terminate();
    }
  }

  #start(thread: Thread): Promise<void> {
    const startedAt = performance.now();
    const worker = new Worker(this.#options.program, { workerData: this.#options.data, name: 'text' });
    return new Promise((resolve, reject) => {
      let fault = new Error('The text thread ended.');
      worker.on('message', (message: TextMessage) => {
        thread.unansweredPings = 0;
        if ('alive' in message) return;
        if ('ready' in message) {
          thread.worker = worker;
          resolve();
        } else {
          const call = thread.inHand.get(message.id);
          thread.inHand.delete(message.id);
          call?.settle(message);
        }
        this.#dispatch();
      });
      worker.once('error', (error: unknown) => {
        fault = error instanceof Error ? error : new Error(String(error));
      });
      worker.once('exit', () => {
        if (thread.unansweredPings > PINGS) fault = new Error('The text thread was silent for too long and was ended.');
        reject(fault);
        if (performance.now() - startedAt > SETTLED_MS) thread.backoffMs = FIRST_BACKOFF_MS;
        if (thread.worker === worker) this.#mourn(thread, fault);
      });
    });
  }

  #mourn(thread: Thread, fault: Error): void {
    thread.worker = undefined;
    const lost = [...thread.inHand.values()];
    thread.inHand.clear();
    if (this.#closed) return;
    this.#options.onDeath(fault.message);
    for (const call of lost) {
      call.deaths += 1;
      if (call.dropped) continue;
      if (call.deaths <= DEATHS_ALLOWED) this.#suspects.add(call);
      else call.fail(new RerankError('internal_error', 'The thread that read the text ended under it, twice.'));
    }
    this.#restart(thread);
    this.#dispatch();
  }

  #restart(thread: Thread): void {
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      this.#start(thread).catch(() => {
        if (!this.#closed && thread.worker === undefined) this.#restart(thread);
      });
    }, thread.backoffMs);
    this.#restarts.add(timer);
    thread.backoffMs = Math.min(2 * thread.backoffMs, LONGEST_BACKOFF_MS);
  }
}

function stopped(): RerankError {
  return new RerankError('model_unavailable', 'The worker that took the request stops; try again.', { retryAfterS: 1 });
}

function hand(thread: Thread, call: Call): void {
  thread.inHand.set(call.id, call);
  const { id, priority, work } = call;
  thread.worker?.postMessage({ id, priority, work } satisfies TextCall);
}

/** Whether a suspect is tried, alone. */
function isTrying(inHand: ReadonlyMap<number, Call>): boolean {
  const [first] = inHand.values();
  return inHand.size === 1 && first !== undefined && first.deaths > 0;
}

function loadOf(inHand: ReadonlyMap<number, Call>): { sync: number; batch: number } {
  let sync = 0;
  for (const { priority } of inHand.values()) if (priority === 'sync') sync += 1;
  return { sync, batch: inHand.size - sync };
}

function failureOf({ error }: Extract<TextReply, { error: unknown }>): RerankError {
  const { code, detail, errors, cause } = error;
  return new RerankError(isErrorCode(code) ? code : 'internal_error', detail, { errors, ...(cause === undefined ? {} : { cause }) });
}
