import { randomUUID } from 'node:crypto';
import {
  errorOfResult,
  INGEST_QUEUE,
  syncQueue,
  TASK_VERSION,
  taskResultSchema,
  type TaskBody,
  type TaskOutcome,
  type TaskPayload,
} from '@rerank-fleet/core/contracts';
import { InvariantError, RerankError } from '@rerank-fleet/core/errors';
import { SLICE_RETRIES } from '@rerank-fleet/core/jobs';
import { inSpan, traceparentNow } from '@rerank-fleet/core/observability';
import type { JobQueue } from '@rerank-fleet/core/ports';
import { PausedQueues, queuePaused } from './paused-queues.js';

/** Ways to wait for one task that was queued. */
export interface ResultWaiter {
  /** Where results of tasks that carry it are sent. */
  readonly address: string;
  wait(taskId: string, signal: AbortSignal): Promise<string>;
  cancel(taskId: string, ttlMs: number): Promise<void>;
}

export interface BodyStore {
  pack(taskId: string, body: TaskBody, ttlMs: number): Promise<Pick<TaskPayload, 'body' | 'body_ref'>>;
}

export interface PoolDirectory {
  live(): Promise<readonly { readonly pool: string }[]>;
  markDemand(pool: string): Promise<void>;
}

export interface TaskDispatcherParts {
  readonly queue: JobQueue;
  readonly inbox: ResultWaiter;
  readonly bodies: BodyStore;
  readonly fleet: PoolDirectory;
  readonly clock: { now(): number };
}

export interface TaskCall<Body extends TaskBody = TaskBody> {
  readonly queue: 'sync' | 'ingest';
  readonly tenant: string;
  readonly requestId: string;
  readonly pool: string;
  readonly timeoutMs: number;
  readonly body: Body;
  /** Aborts when the client left: the task is cancelled. */
  readonly signal: AbortSignal;
  readonly traceparent?: string;
  /** Lower goes first; 0, the default, is what everybody has. */
  readonly priority?: number;
}

export interface TaskSubmission {
  readonly queue: 'ingest';
  /** Submitting an id that is still queued is a no-op. */
  readonly id: string;
  readonly tenant: string;
  readonly requestId: string;
  readonly pool: string;
  readonly body: TaskBody;
}

export type OutcomeOf<Body extends TaskBody> = Extract<TaskOutcome, { kind: Body['kind'] }>;

/** Bodies outlive their deadline by this, so that a worker that is late says so instead of finding nothing. */
const BODY_GRACE_MS = 60_000;
const RETRY_WITHOUT_WORKERS_S = 10;
/** Most calls are answered by then. */
const LOOK_FOR_WORKERS_MS = 1_000;

function nameOf({ queue, pool }: Pick<TaskCall, 'queue' | 'pool'>): string {
  return queue === 'sync' ? syncQueue(pool) : INGEST_QUEUE;
}

/** Puts tasks in the queue and, for sync calls, waits for what a worker publishes. */
export class TaskDispatcher {
  readonly #parts: TaskDispatcherParts;
  readonly #paused: PausedQueues;

  constructor(parts: TaskDispatcherParts) {
    this.#parts = parts;
    this.#paused = new PausedQueues(parts.queue);
  }

  /**
   * Runs a task and waits for its outcome. When the deadline passes or the client leaves, the task is withdrawn or cancelled.
   *
   * @throws RerankError `deadline_exceeded`; `model_unavailable` if the pool has no worker by then; `queue_paused`; `queue_unavailable`; the worker's own error
   */
  async call<Body extends TaskBody>(call: TaskCall<Body>): Promise<OutcomeOf<Body>> {
    await this.#paused.assertRunning(nameOf(call));
    call.signal.throwIfAborted();
    const id = randomUUID();
    const deadline = AbortSignal.timeout(call.timeoutMs);
    const notQueued = new AbortController();
    const abandoned = AbortSignal.any([deadline, call.signal, notQueued.signal]);
    const answer = this.#parts.inbox.wait(id, abandoned);
    answer.catch(() => undefined);
    await this.#enqueue(id, call).catch((error: unknown) => {
      notQueued.abort();
      // A Redis that only hung takes it yet.
      void this.#withdraw(id, call);
      throw error;
    });
    const unanswered = setTimeout(() => void this.#markDemandIfAlone(call.pool), Math.min(LOOK_FOR_WORKERS_MS, call.timeoutMs / 2));
    let text: string;
    try {
      text = await inSpan('await result', () => answer);
    } catch (error) {
      const [late] = await Promise.all([deadline.aborted ? this.#lateError(call) : undefined, this.#withdraw(id, call)]);
      throw late ?? error;
    } finally {
      clearTimeout(unanswered);
    }
    const result = taskResultSchema.parse(JSON.parse(text));
    if (result.status === 'failed') throw errorFor(call, errorOfResult(result));
    if (result.outcome.kind !== call.body.kind) throw new InvariantError('A task was answered with the outcome of another kind.');
    return result.outcome as OutcomeOf<Body>;
  }

  /**
   * Queues a task that nobody waits for.
   *
   * @throws RerankError `queue_unavailable`
   */
  async submit(task: TaskSubmission): Promise<void> {
    const traceparent = traceparentNow();
    const payload: TaskPayload = {
      v: TASK_VERSION,
      id: task.id,
      tenant: task.tenant,
      request_id: task.requestId,
      pool: task.pool,
      enqueued_ms: this.#parts.clock.now(),
      ...(traceparent === undefined ? {} : { traceparent }),
      body: task.body,
    };
    await this.#parts.queue.enqueue(nameOf(task), { id: task.id, payload, retries: SLICE_RETRIES });
  }

  async #enqueue(id: string, call: TaskCall): Promise<void> {
    const attributes = {
      'messaging.system': 'bullmq',
      'messaging.destination.name': nameOf(call),
      'messaging.message.id': id,
      'rerank.task.kind': call.body.kind,
      'rerank.pool': call.pool,
    } as const;
    // Whoever takes the task goes on from this span.
    await inSpan('enqueue', (span) => this.#put(id, span === undefined ? call : { ...call, traceparent: span.traceparent }), {
      kind: 'producer',
      attributes,
    });
  }

  async #put(id: string, call: TaskCall): Promise<void> {
    const now = this.#parts.clock.now();
    const payload: TaskPayload = {
      v: TASK_VERSION,
      id,
      tenant: call.tenant,
      request_id: call.requestId,
      pool: call.pool,
      deadline_ms: now + call.timeoutMs,
      enqueued_ms: now,
      reply_to: this.#parts.inbox.address,
      ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
      ...(await this.#parts.bodies.pack(id, call.body, call.timeoutMs + BODY_GRACE_MS)),
    };
    const priority = call.priority === undefined ? {} : { priority: call.priority };
    await this.#parts.queue.enqueue(nameOf(call), { id, payload, ...priority });
  }

  /** Scaling from zero needs to know that somebody waits. */
  async #markDemandIfAlone(pool: string): Promise<void> {
    try {
      if (!(await this.#hasWorkers(pool))) await this.#parts.fleet.markDemand(pool);
    } catch {
      // The caller learns of a lost Redis through its own wait.
    }
  }

  /** A task that nobody took is removed; one that is in hand is told to stop. */
  async #withdraw(id: string, call: TaskCall): Promise<void> {
    const removed = await this.#parts.queue.discard(nameOf(call), id);
    if (!removed) await this.#parts.inbox.cancel(id, call.timeoutMs + BODY_GRACE_MS).catch(() => undefined);
  }

  async #lateError(call: TaskCall): Promise<RerankError> {
    if (await this.#paused.has(nameOf(call))) return queuePaused(nameOf(call));
    if (await this.#hasWorkers(call.pool)) return tooLate(call);
    return new RerankError('model_unavailable', `No worker of the pool "${call.pool}" is running; start one, or try again when it is up.`, {
      retryAfterS: RETRY_WITHOUT_WORKERS_S,
    });
  }

  async #hasWorkers(pool: string): Promise<boolean> {
    return (await this.#parts.fleet.live()).some((worker) => worker.pool === pool);
  }
}

function tooLate({ timeoutMs }: TaskCall): RerankError {
  const detail = `No result within ${timeoutMs} ms; send fewer or shorter documents, or allow more time by timeout_ms.`;
  return new RerankError('deadline_exceeded', detail);
}

/** A worker that sees the deadline first does not know what the client asked for. */
function errorFor(call: TaskCall, said: RerankError): RerankError {
  return said.code === 'deadline_exceeded' ? tooLate(call) : said;
}
