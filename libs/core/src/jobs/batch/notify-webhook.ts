import { TASK_VERSION, WEBHOOKS_QUEUE, type WebhookTask } from '../../contracts/index.js';
import type { JobQueue } from '../../ports/index.js';
import { WEBHOOK_BACKOFF, WEBHOOK_RETRIES } from '../../webhooks/index.js';
import type { BatchRecord } from './batch-record.js';

/**
 * Has the job's webhook sent, if it has one: what a keeper does when a job has ended. Doing it again changes nothing while it is on its way, and sends nothing
 * once it was delivered.
 *
 * @throws RerankError `queue_unavailable`
 */
export async function enqueueWebhook(
  queue: Pick<JobQueue, 'enqueue'>,
  { id, tenant, webhook }: Pick<BatchRecord, 'id' | 'tenant' | 'webhook'>,
): Promise<void> {
  if (webhook === undefined) return;
  const payload: WebhookTask = { v: TASK_VERSION, tenant, job_id: id };
  await queue.enqueue(WEBHOOKS_QUEUE, { id, payload, retries: WEBHOOK_RETRIES, backoff: WEBHOOK_BACKOFF });
}
