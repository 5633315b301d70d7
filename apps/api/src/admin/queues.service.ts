import { failedResult, taskPayloadSchema, type DrainedQueueBody, type QueueBody, type QueueListBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { IngestJobs } from '@rerank-fleet/core/jobs';
import type { JobQueue, QueueControl, WithdrawnTask } from '@rerank-fleet/core/ports';
import type { FleetSource } from '@rerank-fleet/core/requests';
import { fleetQueue, fleetQueues, type FleetQueue } from './fleet-queues.js';

/** What tells those who wait for a task that was taken out of its queue. */
export interface WithdrawnAnswers {
  /** False if it had its answer already. */
  answerUntaken(taskId: string, result: string, ttlMs: number): Promise<boolean>;
  /** Should the id be queued anew, it starts anew. */
  forget(taskId: string): Promise<void>;
}

export interface QueuesServiceParts {
  readonly control: QueueControl;
  readonly queue: Pick<JobQueue, 'pause' | 'resume'>;
  readonly fleet: Pick<FleetSource, 'live' | 'remembered'>;
  readonly answers: WithdrawnAnswers;
  readonly bodies: { drop(bodyRef: string): Promise<void> };
  readonly ingests: Pick<IngestJobs, 'giveUpSlice'>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  readonly log: { warn(fields: object, message: string): void };
}

/** An answer outlives its call by this, so that a slow poll still finds it. */
const ANSWER_GRACE_MS = 60_000;
const RETRY_AFTER_S = 5;

/** The queues of the fleet, for its operators. */
export class QueuesService {
  readonly #parts: QueuesServiceParts;

  constructor(parts: QueuesServiceParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `queue_unavailable` */
  async list(): Promise<QueueListBody> {
    const queues = await fleetQueues(this.#parts.fleet);
    return { object: 'list', data: await Promise.all(queues.map((queue) => this.#describe(queue))) };
  }

  /**
   * Workers of all processes take nothing more from it; what they have in hand goes on. Calls that need it are refused, all else waits.
   *
   * @throws RerankError `queue_not_found`, `queue_unavailable`
   */
  async pause(name: string): Promise<QueueBody> {
    const queue = await fleetQueue(this.#parts.fleet, name);
    await this.#parts.queue.pause(name);
    return await this.#describe(queue);
  }

  /** @throws RerankError `queue_not_found`, `queue_unavailable` */
  async resume(name: string): Promise<QueueBody> {
    const queue = await fleetQueue(this.#parts.fleet, name);
    await this.#parts.queue.resume(name);
    return await this.#describe(queue);
  }

  /**
   * Takes out what waits. Whoever waits for a call is told so at once; each document of an upload ends as errored, and says so. Deletions that wait to be tried
   * again stay: nobody waits for them, and what they name has left the record.
   *
   * @throws RerankError `queue_not_found`; `queue_not_drainable`, saying what to do instead; `queue_unavailable`, `blob_store_unavailable`
   */
  async drain(name: string): Promise<DrainedQueueBody> {
    const { control, fleet } = this.#parts;
    const queue = await fleetQueue(fleet, name);
    await this.#assertDrainable(queue);
    let drained = 0;
    for await (const task of control.withdraw(name, isDeletion)) if (await this.#end(name, task)) drained += 1;
    return { ...(await this.#describe(queue)), drained };
  }

  async #assertDrainable({ kind, name }: FleetQueue): Promise<void> {
    if (kind === 'batch' || kind === 'express')
      throw new RerankError(
        'queue_not_drainable',
        'What waits here are slices of batch jobs, which would be queued again. Cancel the jobs (POST /v1/jobs/{id}/cancel), or pause the queue.',
      );
    if (kind === 'webhooks')
      throw new RerankError(
        'queue_not_drainable',
        'Webhooks of jobs that have ended wait here. Delete the jobs whose webhooks are not wanted (DELETE /v1/jobs/{id}), or pause the queue.',
      );
    // Workers look for lost slices, and would queue one anew in the moment in which it is ended.
    if (kind === 'ingest' && !(await this.#parts.control.state(name)).paused)
      throw new RerankError('queue_not_drainable', 'Pause the queue first (POST /v1/admin/queues/ingest/pause), and resume it after.');
  }

  /** False if somebody was quicker. */
  async #end(queue: string, { id, payload }: WithdrawnTask): Promise<boolean> {
    const { answers, bodies, ingests, now, log } = this.#parts;
    const task = taskPayloadSchema.safeParse(payload).data;
    const error = new RerankError('queue_drained', `An operator emptied the queue "${queue}" before this was begun; send it again.`, {
      retryAfterS: RETRY_AFTER_S,
    });
    if (task?.body_ref !== undefined) await bodies.drop(task.body_ref);
    if (task?.body?.kind === 'ingest') {
      await ingests.giveUpSlice(task.tenant, task.body.job_id, task.body.slice, error);
      await answers.forget(id);
    }
    const left = task?.deadline_ms === undefined ? 0 : Math.max(0, task.deadline_ms - now());
    const isTold = await answers.answerUntaken(id, JSON.stringify(failedResult(error)), left + ANSWER_GRACE_MS);
    log.warn({ queue, task: id, request: task?.request_id, tenant: task?.tenant }, 'A task was taken out of its queue by an operator.');
    return isTold;
  }

  async #describe({ name, kind, pool }: FleetQueue): Promise<QueueBody> {
    const { nextQueuedMs, ...state } = await this.#parts.control.state(name);
    const ageMs = nextQueuedMs === undefined ? 0 : Math.max(0, this.#parts.now() - nextQueuedMs);
    return {
      object: 'queue',
      name,
      kind,
      ...(pool === undefined ? {} : { pool }),
      ...state,
      oldest_age_s: Math.round(ageMs) / 1_000,
    };
  }
}

/** One that an index refused after its documents had left the record. */
function isDeletion(payload: unknown): boolean {
  const body = taskPayloadSchema.safeParse(payload).data?.body;
  return body?.kind === 'corpus' && body.change.op === 'settle_delete';
}
