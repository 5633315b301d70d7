import type { Config } from '@rerank-fleet/core/config';
import { WEBHOOKS_QUEUE } from '@rerank-fleet/core/contracts';
import { BatchJobs } from '@rerank-fleet/core/jobs';
import type { Logger } from '@rerank-fleet/core/observability';
import type { BlobStore, JobQueue, QueueConsumer } from '@rerank-fleet/core/ports';
import { WebhookSender } from '@rerank-fleet/core/webhooks';
import { VERSION } from '../version.js';
import { webhookTask } from './webhook-task.js';

/** A receiver that answers slowly holds up no other. */
const CONCURRENCY = 16;
const LOCK_MS = 30_000;

export interface ConsumeWebhooksParts {
  readonly config: Pick<Config, 'webhooks'>;
  readonly queue: Pick<JobQueue, 'consume'>;
  readonly blobs: BlobStore;
  readonly log: Pick<Logger, 'warn'>;
}

/** Sends the webhooks of jobs that have ended, of all pools. Those that are given up stay in the queue as dead letters. */
export function consumeWebhooks({ config, queue, blobs, log }: ConsumeWebhooksParts): Promise<QueueConsumer> {
  const { timeoutMs, ...targets } = config.webhooks;
  const sender = new WebhookSender({ targets, timeoutMs, version: VERSION });
  const onDead = ({ id }: { readonly id: string }, error: Error): void =>
    log.warn({ job: id, detail: error.message }, 'The webhook of a job was given up.');
  return queue.consume(WEBHOOKS_QUEUE, webhookTask({ jobs: new BatchJobs(blobs), sender, log }), {
    concurrency: CONCURRENCY,
    lockMs: LOCK_MS,
    onDead,
  });
}
