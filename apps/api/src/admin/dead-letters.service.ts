import {
  taskPayloadSchema,
  webhookTaskSchema,
  type CorpusTask,
  type DeadLetterBody,
  type DeadLetterListBody,
  type DeadLetterQuery,
} from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { FleetSource } from '@rerank-fleet/core/requests';
import { deadLetterId, placeOfDeadLetter } from './dead-letter-id.js';
import { fleetQueue, fleetQueues, type FleetQueue } from './fleet-queues.js';
import type { DeadTask, QueueControl } from '@rerank-fleet/core/ports';

export interface DeadLettersServiceParts {
  readonly control: Pick<QueueControl, 'countDead' | 'listDead' | 'findDead' | 'removeDead'>;
  readonly fleet: Pick<FleetSource, 'live' | 'remembered'>;
}

/** What a dead letter was of. */
export interface DeadWork {
  readonly tenant: string;
  readonly job: string;
  /** Of slices of jobs. */
  readonly slice?: number;
}

/** A deletion that an index refused after documents had left the record. */
export interface DeadDeletion {
  readonly tenant: string;
  readonly body: CorpusTask;
}

export interface FoundDeadLetter {
  readonly queue: FleetQueue;
  readonly task: DeadTask;
  /** Undefined where the task is of no job, or has an unknown form. */
  readonly work: DeadWork | undefined;
  readonly deletion: DeadDeletion | undefined;
}

/** Tasks that will not be tried again. Calls leave none: who waited was told. */
export class DeadLettersService {
  readonly #parts: DeadLettersServiceParts;

  constructor(parts: DeadLettersServiceParts) {
    this.#parts = parts;
  }

  /**
   * Newest first.
   *
   * @throws RerankError `queue_not_found`, `queue_unavailable`
   */
  async list({ queue: name, limit }: DeadLetterQuery): Promise<DeadLetterListBody> {
    const { control, fleet } = this.#parts;
    const queues = name === undefined ? await fleetQueues(fleet) : [await fleetQueue(fleet, name)];
    const kept = queues.filter(({ kind }) => kind !== 'sync');
    const [counts, letters] = await Promise.all([
      Promise.all(kept.map((queue) => control.countDead(queue.name))),
      Promise.all(kept.map(async (queue) => (await control.listDead(queue.name, limit)).map((task) => foundLetter(queue, task)))),
    ]);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const newest = letters.flat().sort((a, b) => b.task.failedMs - a.task.failedMs);
    return { object: 'list', data: newest.slice(0, limit).map(describe), total, has_more: total > Math.min(limit, newest.length) };
  }

  /** @throws RerankError `dead_letter_not_found`, `queue_unavailable` */
  async find(id: string): Promise<FoundDeadLetter> {
    const place = placeOfDeadLetter(id);
    const queues = place === undefined ? [] : await fleetQueues(this.#parts.fleet);
    const queue = queues.find(({ name, kind }) => name === place?.queue && kind !== 'sync');
    const task = place === undefined || queue === undefined ? undefined : await this.#parts.control.findDead(queue.name, place.taskId);
    if (queue === undefined || task === undefined) throw notFound();
    return foundLetter(queue, task);
  }

  /**
   * Nothing else changes: its job has said long ago how its rows ended.
   *
   * @throws RerankError `dead_letter_not_found`, `queue_unavailable`
   */
  async remove(id: string): Promise<void> {
    const { queue, task } = await this.find(id);
    if (!(await this.#parts.control.removeDead(queue.name, task.id))) throw notFound();
  }

  /** Those of the same job in the same queue. */
  async removeOfJob({ queue, work }: FoundDeadLetter): Promise<void> {
    const { control } = this.#parts;
    const letters = await control.listDead(queue.name, await control.countDead(queue.name));
    for (const task of letters) if (workOf(queue, task)?.job === work?.job) await control.removeDead(queue.name, task.id);
  }
}

const notFound = (): RerankError =>
  new RerankError('dead_letter_not_found', 'There is no dead letter of this id; GET /v1/admin/dead-letters lists them.');

const foundLetter = (queue: FleetQueue, task: DeadTask): FoundDeadLetter => ({
  queue,
  task,
  work: workOf(queue, task),
  deletion: deletionOf(task),
});

function deletionOf({ payload }: DeadTask): DeadDeletion | undefined {
  const task = taskPayloadSchema.safeParse(payload).data;
  if (task?.body?.kind !== 'corpus' || task.body.change.op !== 'settle_delete') return undefined;
  return { tenant: task.tenant, body: task.body };
}

function workOf({ kind }: FleetQueue, { payload }: DeadTask): DeadWork | undefined {
  if (kind === 'webhooks') {
    const webhook = webhookTaskSchema.safeParse(payload).data;
    return webhook === undefined ? undefined : { tenant: webhook.tenant, job: webhook.job_id };
  }
  const task = taskPayloadSchema.safeParse(payload).data;
  if (task?.body?.kind !== 'batch' && task?.body?.kind !== 'ingest') return undefined;
  return { tenant: task.tenant, job: task.body.job_id, slice: task.body.slice };
}

function describe({ queue, task, work, deletion }: FoundDeadLetter): DeadLetterBody {
  return {
    object: 'dead_letter',
    id: deadLetterId({ queue: queue.name, taskId: task.id }),
    queue: queue.name,
    kind: queue.kind,
    ...(work === undefined ? {} : { tenant: work.tenant, job_id: work.job }),
    ...(deletion === undefined ? {} : { tenant: deletion.tenant, corpus: deletion.body.corpus }),
    ...(work?.slice === undefined ? {} : { slice: work.slice }),
    attempts: task.attempts,
    failed_at: Math.floor(task.failedMs / 1_000),
    detail: task.detail,
  };
}
