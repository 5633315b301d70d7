import type { RetriedDeadLetterBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { enqueueWebhook, sliceTaskId, type BatchDispatcher, type BatchJobs, type IngestJobs } from '@rerank-fleet/core/jobs';
import type { JobQueue } from '@rerank-fleet/core/ports';
import type { TaskDispatcher } from '../dispatch/task-dispatcher.js';
import type { RequestContext } from '../http/request-context.js';
import type { JobActionsService } from '../jobs/job-actions.service.js';
import { deadLetterId } from './dead-letter-id.js';
import type { DeadLettersService, DeadWork, FoundDeadLetter } from './dead-letters.service.js';

export interface RetryParts {
  readonly letters: Pick<DeadLettersService, 'find' | 'removeOfJob'>;
  readonly batches: Pick<BatchJobs, 'record' | 'done' | 'isThere' | 'sliceHeader' | 'webhook'>;
  readonly ingests: Pick<IngestJobs, 'record' | 'slice' | 'reopenSlice'>;
  readonly actions: Pick<JobActionsService, 'retry'>;
  readonly batchDispatcher: Pick<BatchDispatcher, 'enqueue'>;
  readonly dispatcher: Pick<TaskDispatcher, 'submit'>;
  readonly queue: Pick<JobQueue, 'enqueue'>;
}

/**
 * Has done again what a dead letter was of, such that the counts of its job stay right: a slice whose rows have not ended goes back to its queue; a slice whose
 * rows have ended as errored becomes a new job of the errored requests, once its own job has ended; a webhook is sent again, and a deletion carried through.
 *
 * @throws RerankError `dead_letter_not_found`; `dead_letter_expired`, saying what to do; `job_not_ended`, `job_not_retryable`; what a submission throws
 */
export async function retryDeadLetter(parts: RetryParts, id: string, context: RequestContext): Promise<RetriedDeadLetterBody> {
  const letter = await parts.letters.find(id);
  const { queue, work, task, deletion } = letter;
  const retried = { object: 'dead_letter.retried', id: deadLetterId({ queue: queue.name, taskId: task.id }), queue: queue.name } as const;
  if (deletion !== undefined) {
    const { tenant, body } = deletion;
    await parts.dispatcher.submit({ queue: 'ingest', id: task.id, tenant, requestId: context.requestId, pool: 'ingest', body });
    return retried;
  }
  if (work === undefined) throw expired('The task has a form that this release does not know.');
  switch (queue.kind) {
    case 'webhooks':
      await retryWebhook(parts, work);
      return { ...retried, job_id: work.job };
    case 'ingest':
      await retryUpload(parts, { ...work, slice: work.slice ?? 0 }, context);
      return { ...retried, job_id: work.job };
    default: {
      const job = await retrySlice(parts, letter, context);
      return { ...retried, job_id: work.job, ...(job === undefined ? {} : { retry_job_id: job }) };
    }
  }
}

const expired = (detail: string): RerankError => new RerankError('dead_letter_expired', detail);

/** What became of it the worker notes, and nobody else: a note of ours would stay for ever if this process died before it has queued the webhook. */
async function retryWebhook({ batches, queue }: RetryParts, { tenant, job }: DeadWork): Promise<void> {
  const record = await batches.record(tenant, job);
  if (record?.webhook === undefined || !(await batches.isThere(record))) throw expired('The job of this webhook was removed.');
  const before = await batches.webhook(record);
  if (before?.status === 'delivered') throw expired('The webhook has been delivered meanwhile.');
  await enqueueWebhook(queue, record);
}

/** Its documents were reported as errored. While the upload goes on that can be taken back; an upload that has ended does not change. */
async function retryUpload({ ingests, dispatcher }: RetryParts, work: Required<DeadWork>, { requestId }: RequestContext): Promise<void> {
  const { tenant, job, slice } = work;
  const record = await ingests.record(tenant, job);
  if (record === undefined) throw expired('The upload was removed, or is too old.');
  const isOpen = (await ingests.slice(record, slice)) !== undefined && (await ingests.reopenSlice(record, slice));
  if (!isOpen) throw expired(`The upload ${job} has ended, with these documents as errored: send them again.`);
  const body = { kind: 'ingest', job_id: job, slice } as const;
  await dispatcher.submit({ queue: 'ingest', id: sliceTaskId(job, slice), tenant, requestId, pool: 'ingest', body });
}

/** Resolves to the new job, if there is one. */
async function retrySlice(parts: RetryParts, letter: FoundDeadLetter, context: RequestContext): Promise<string | undefined> {
  const { batches, actions, batchDispatcher, letters } = parts;
  const { tenant, job, slice = 0 } = letter.work as DeadWork;
  const record = await batches.record(tenant, job);
  if (record === undefined || !(await batches.isThere(record))) throw expired('The job of these requests was removed.');
  const hasEnded = (await batches.done(record)) !== undefined;
  if (!hasEnded && (await batches.sliceHeader(record, slice)) === undefined) {
    // How it ended could not be told: for its job it is in flight, and it goes on.
    await batchDispatcher.enqueue(record.pool, [{ tenant, job, slice, express: letter.queue.kind === 'express' }]);
    return undefined;
  }
  if (!hasEnded)
    throw new RerankError(
      'job_not_ended',
      `These requests have ended as errored results of ${job}, which goes on. When it has ended, this makes a new job of all its errored requests.`,
    );
  const { noteRateLimit: _, syncTokens: __, ...asOperator } = context;
  // Letters of one job, retried one by one, make one new job.
  const accepted = await actions.retry(job, `dead-letters-of-${job}`, { ...asOperator, tenant, sentBytes: 0 });
  await letters.removeOfJob(letter);
  return accepted.record.id;
}
