import {
  failedResult,
  taskBodySchema,
  taskPayloadSchema,
  type TaskBody,
  type TaskOutcome,
  type TaskPayload,
  type TaskResult,
} from '@rerank-fleet/core/contracts';
import { ERROR_CATALOGUE, RerankError } from '@rerank-fleet/core/errors';
import type { TakenTask } from '@rerank-fleet/core/ports';
import { inSpan, noteOnSpan, spanNow } from '@rerank-fleet/core/observability';
import { ExclusiveGate } from './exclusive-gate.js';
import { inTask } from './task-work.js';

/** What a handler may know of the task besides its body. */
export interface TaskContext {
  readonly taskId: string;
  readonly tenant: string;
  readonly requestId: string;
  /** W3C trace context of whoever asked. */
  readonly traceparent?: string;
  /** Milliseconds the task waited in the queue. */
  readonly queueMs: number;
  /** Aborts at the deadline, when nobody waits any more, and when the worker gives the task back. */
  readonly signal: AbortSignal;
  /** Sync calls go before batch jobs; `sync` where it is left out. */
  readonly priority?: 'sync' | 'batch';
  /** Given to long work that a worker died under: runs a part of it with nothing else in hand, so that calls wait for a part only. */
  readonly isolate?: <T>(part: () => Promise<T>) => Promise<T>;
  /** Given to a slice of a batch: runs a part of it among all others, where none of them is to run alone. */
  readonly beside?: <T>(part: () => Promise<T>) => Promise<T>;
  /** Workers that died under the task; none where it is left out. */
  readonly deaths?: number;
  /** Whether the queue will not hand the task out again after a failure. */
  readonly isLastAttempt?: boolean;
}

export type TaskHandlers = {
  readonly [Kind in TaskBody['kind']]: (
    body: Extract<TaskBody, { kind: Kind }>,
    context: TaskContext,
  ) => Promise<Extract<TaskOutcome, { kind: Kind }>>;
};

export interface TaskProcessorParts {
  readonly board: {
    takeFence(taskId: string, ttlMs?: number, attempt?: number): Promise<number>;
    forget(taskId: string): Promise<void>;
    publish(
      taskId: string,
      fence: number,
      result: string,
      options: { readonly ttlMs: number; readonly replyTo?: string | undefined },
    ): Promise<boolean>;
    hasResult(taskId: string): Promise<boolean>;
    giveBack(taskId: string): Promise<void>;
    timesGivenBack(taskId: string): Promise<number>;
  };
  readonly bodies: { fetch(bodyRef: string): Promise<unknown>; drop(bodyRef: string): Promise<void> };
  readonly cancels: {
    follow(taskId: string, controller: AbortController): Promise<void>;
    release(taskId: string, controller: AbortController): void;
  };
  readonly clock: { now(): number };
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
  readonly handlers: TaskHandlers;
  /** An ingest slice was given up: its documents must be reported as errored. */
  readonly giveUpIngest: (tenant: string, body: Extract<TaskBody, { kind: 'ingest' }>, error: RerankError) => Promise<void>;
}

/** A result outlives its deadline by this, so that a slow poll still finds it. */
const RESULT_GRACE_MS = 60_000;
/** How long the result of work without a deadline is kept for those who wait. */
const RESULT_TTL_MS = 600_000;
/** A task that took this many workers with it is given up; after the first death it runs alone, so that it convicts no innocent. */
const DEATHS_ALLOWED = 1;

/** Why a task's signal aborts when its worker stops. */
export class GivenBackError extends Error {
  override readonly name = 'GivenBackError';
}

/** A task in this worker's hand. */
interface Holding {
  readonly fence: number;
  readonly controller: AbortController;
  /** Workers that died under it before. */
  readonly deaths: number;
  readonly isLastAttempt: boolean;
}

type Attempt = Pick<TakenTask, 'attempt' | 'isLastAttempt'>;

/**
 * The life of a task in a worker: validate, take the fence, run, publish under the fence. A task of a sync call always ends here, with a
 * result or an error that the API passes on; work without a deadline throws, and the queue tries again or reports it dead.
 */
export class TaskProcessor {
  readonly #parts: TaskProcessorParts;
  readonly #gate = new ExclusiveGate();
  readonly #inHand = new Map<string, AbortController>();
  #stopped = false;

  constructor(parts: TaskProcessorParts) {
    this.#parts = parts;
  }

  readonly handle = async (task: TakenTask): Promise<void> => {
    const parsed = taskPayloadSchema.safeParse(task.payload);
    if (!parsed.success) {
      this.#parts.log.error({ task: task.id }, 'A task has an unknown form; is another version of the API running?');
      throw await this.#refuse(task.id);
    }
    await inTask(parsed.data, { attempt: task.attempt, queueMs: this.#queueMs(parsed.data) }, () => this.#hold(parsed.data, task));
  };

  async #hold(payload: TaskPayload, attempt: Attempt): Promise<void> {
    // Its lock expired, as while a laptop sleeps or Redis is away, and this worker lives: nobody died.
    if (this.#inHand.has(payload.id)) await this.#parts.board.giveBack(payload.id);
    const controller = new AbortController();
    this.#inHand.set(payload.id, controller);
    try {
      await this.#take(payload, attempt, controller);
    } finally {
      this.#parts.cancels.release(payload.id, controller);
      if (this.#inHand.get(payload.id) === controller) this.#inHand.delete(payload.id);
    }
  }

  #queueMs({ enqueued_ms: enqueuedMs }: TaskPayload): number {
    return Math.max(0, this.#parts.clock.now() - enqueuedMs);
  }

  /** During a rollout another worker may know the form: who waits is told to try again, and the queue tries again what nobody waits for. */
  async #refuse(taskId: string): Promise<RerankError> {
    const error = new RerankError('model_unavailable', 'The worker that took the request is of another version; try again.', {
      retryAfterS: 2,
    });
    const fence = await this.#parts.board.takeFence(taskId, RESULT_GRACE_MS);
    await this.#parts.board.publish(taskId, fence, JSON.stringify(failedResult(error)), { ttlMs: RESULT_GRACE_MS });
    return error;
  }

  /** The queue will not hand the task out again. */
  async bury(taskId: string): Promise<void> {
    await this.#parts.board.forget(taskId);
  }

  /** Of a worker that stops in order: what it leaves undone was not the death of it, and is another's to answer. */
  async giveBack(): Promise<void> {
    this.#stopped = true;
    const left = [...this.#inHand];
    await Promise.all(left.map(([taskId]) => this.#parts.board.giveBack(taskId)));
    for (const [, controller] of left) controller.abort(new GivenBackError('The worker stops; another takes the task.'));
  }

  async #take(payload: TaskPayload, { attempt, isLastAttempt = false }: Attempt, controller: AbortController): Promise<void> {
    const { board, cancels, clock } = this.#parts;
    const fenceTtlMs = payload.deadline_ms === undefined ? undefined : Math.max(0, payload.deadline_ms - clock.now()) + RESULT_GRACE_MS;
    const [fence] = await Promise.all([board.takeFence(payload.id, fenceTtlMs, attempt), cancels.follow(payload.id, controller)]);
    const takenAgain = fence - 1 - attempt;
    // The worker before this one may have ended between its answer and its farewell to the queue.
    if (takenAgain > 0 && payload.deadline_ms !== undefined && (await board.hasResult(payload.id))) return;
    // Taken again, it counts as given back until it runs: a worker may die of another task while this one waits.
    const deaths = takenAgain > 0 ? takenAgain - (await board.timesGivenBack(payload.id)) + 1 : 0;
    const holding = async (): Promise<Holding> => {
      const held = takenAgain > 0 ? await board.takeFence(payload.id, fenceTtlMs) : fence;
      return { fence: held, controller, deaths, isLastAttempt };
    };
    // A slice of a batch finds the one row that is to blame, however many deaths that takes.
    if (deaths > DEATHS_ALLOWED && payload.body?.kind !== 'batch') await this.#giveUp(payload, fence);
    // A slice takes minutes: calls would all miss their deadlines behind it, so only its parts run alone. Nor does what is to run alone, and the calls that
    // come behind it, wait for whole slices of batches; their rows pass the gate one by one.
    else if (payload.body?.kind === 'batch' || (deaths > 0 && isSlice(payload))) await this.#run(payload, await holding());
    else await this.#gate.pass(deaths > 0, async () => this.#run(payload, await holding()));
  }

  async #run(payload: TaskPayload, { fence, controller, ...tries }: Holding): Promise<void> {
    const remainingMs = payload.deadline_ms === undefined ? undefined : payload.deadline_ms - this.#parts.clock.now();
    if (remainingMs !== undefined && remainingMs <= 0) {
      spanNow()?.fail(deadlinePassed());
      return;
    }
    const timer = remainingMs === undefined ? undefined : setTimeout(() => controller.abort(deadlinePassed()), remainingMs);
    try {
      const result = await this.#outcome(payload, controller.signal, tries);
      await this.#publish(payload, fence, result);
    } finally {
      clearTimeout(timer);
    }
  }

  async #outcome(
    payload: TaskPayload,
    signal: AbortSignal,
    { deaths, isLastAttempt }: Pick<Holding, 'deaths' | 'isLastAttempt'>,
  ): Promise<TaskResult> {
    try {
      signal.throwIfAborted();
      const body = await this.#body(payload);
      const context: TaskContext = {
        taskId: payload.id,
        tenant: payload.tenant,
        requestId: payload.request_id,
        queueMs: this.#queueMs(payload),
        signal,
        isLastAttempt,
        ...(payload.traceparent === undefined ? {} : { traceparent: payload.traceparent }),
        ...(payload.body?.kind === 'batch' ? { beside: (part) => this.#gate.pass(false, part) } : {}),
        ...(deaths > 0 && isSlice(payload) ? { deaths, isolate: (part) => this.#gate.pass(true, part) } : {}),
      };
      return { status: 'succeeded', outcome: await this.#dispatch(body, context) };
    } catch (error) {
      spanNow()?.fail(signal.aborted ? signal.reason : error);
      this.#report(payload, error, signal);
      if (payload.deadline_ms === undefined) throw error;
      return failedResult(signal.aborted ? signal.reason : error);
    }
  }

  #dispatch(body: TaskBody, context: TaskContext): Promise<TaskOutcome> {
    const { handlers } = this.#parts;
    noteOnSpan({ 'rerank.task.kind': body.kind });
    switch (body.kind) {
      case 'rerank':
        return handlers.rerank(body, context);
      case 'search':
        return handlers.search(body, context);
      case 'ingest':
        return handlers.ingest(body, context);
      case 'batch':
        return handlers.batch(body, context);
      case 'corpus':
        return handlers.corpus(body, context);
    }
  }

  async #body(payload: TaskPayload): Promise<TaskBody> {
    if (payload.body !== undefined) return payload.body;
    const stored = await this.#parts.bodies.fetch(payload.body_ref as string);
    if (stored === undefined) throw deadlinePassed();
    return taskBodySchema.parse(stored);
  }

  async #publish(payload: TaskPayload, fence: number, result: TaskResult): Promise<void> {
    if (this.#stopped) return;
    // Its results lie in the blob store; nobody waits for this one.
    if (payload.body?.kind === 'batch') {
      await this.#parts.board.forget(payload.id);
      return;
    }
    const ttlMs = payload.deadline_ms === undefined ? RESULT_TTL_MS : payload.deadline_ms - this.#parts.clock.now() + RESULT_GRACE_MS;
    const options = { ttlMs, replyTo: payload.reply_to };
    const written = await inSpan('publish', () => this.#parts.board.publish(payload.id, fence, JSON.stringify(result), options));
    if (!written) this.#parts.log.warn({ task: payload.id }, 'A result was not published: another worker holds the task.');
    // Who holds the task now may still need the body.
    else if (payload.body_ref !== undefined) await this.#parts.bodies.drop(payload.body_ref);
    // A sweep may queue it anew in the moment in which it ends: being taken again is no sign of a death then.
    if (payload.deadline_ms === undefined) await this.#parts.board.forget(payload.id);
  }

  async #giveUp(payload: TaskPayload, fence: number): Promise<void> {
    const error = new RerankError('internal_error', 'The workers that took this task ended under it, twice; it was given up.');
    this.#parts.log.error({ task: payload.id, request: payload.request_id }, error.detail);
    if (payload.body?.kind === 'ingest') await this.#parts.giveUpIngest(payload.tenant, payload.body, error);
    await this.#publish(payload, fence, failedResult(error));
  }

  /** Faults of the request are the client's to see; only our own go to the log with their cause. */
  #report(payload: TaskPayload, error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    const ours = !(error instanceof RerankError) || ERROR_CATALOGUE[error.code].status >= 500;
    if (ours) this.#parts.log.error({ task: payload.id, request: payload.request_id, err: error }, 'A task failed.');
  }
}

/** Work of minutes, on which a whole job depends. */
function isSlice({ body }: TaskPayload): boolean {
  return body?.kind === 'ingest' || body?.kind === 'batch';
}

function deadlinePassed(): RerankError {
  return new RerankError('deadline_exceeded', 'The deadline passed before the result was there.');
}
