import { webhookTaskSchema } from '@rerank-fleet/core/contracts';
import { describeBatchJob, type BatchDone, type BatchJobs, type BatchRecord, type WebhookState } from '@rerank-fleet/core/jobs';
import type { TaskHandler } from '@rerank-fleet/core/ports';
import { inNewWork, noteOnSpan, spanNow } from '@rerank-fleet/core/observability';
import { assertDelivered, WEBHOOK_RETRIES, type WebhookOutcome, type WebhookSender } from '@rerank-fleet/core/webhooks';

export interface WebhookTaskParts {
  readonly jobs: Pick<BatchJobs, 'record' | 'done' | 'webhook' | 'noteWebhook' | 'isThere'>;
  readonly sender: Pick<WebhookSender, 'deliver'>;
  readonly log: { warn(fields: object, message: string): void };
}

/**
 * Sends webhooks, one attempt a call. The body is the job as it ended, the same in each attempt.
 *
 * @throws by the handler: RerankError `webhook_failed`, which is retried, `webhook_refused`, which is not
 */
export function webhookTask({ jobs, sender, log }: WebhookTaskParts): TaskHandler {
  return async ({ payload, attempt }) => {
    const { tenant, job_id: id } = webhookTaskSchema.parse(payload);
    const record = await jobs.record(tenant, id);
    const done = record && (await jobs.done(record));
    // A job that was removed meanwhile tells nobody.
    if (record?.webhook === undefined || done === undefined) return;
    const before = await jobs.webhook(record);
    if (before?.status === 'delivered') return;
    // Failing at a note would send it again.
    const note = async (state: WebhookState): Promise<void> => {
      await noteState(jobs, record, state).catch((error: unknown) =>
        log.warn({ err: error, job: id, status: state.status }, 'How a webhook fared could not be noted.'),
      );
    };
    const { url, secret } = record.webhook;
    const body = bodyOf(record, done);
    // It was given up, and an operator has it sent again.
    if (before !== undefined && before.status !== 'retrying') await note({ ...before, status: 'retrying' });
    const outcome = await inAttempt(record, attempt, () => sender.deliver({ url, secret, body, id }));
    await note(stateAfter(outcome, (before?.attempts ?? 0) + 1, attempt >= WEBHOOK_RETRIES));
    assertDelivered(outcome);
  };
}

/** A trace of its own, linked to the submission of the job. The address stays out of it: it may hold a secret. */
function inAttempt(record: BatchRecord, attempt: number, send: () => Promise<WebhookOutcome>): Promise<WebhookOutcome> {
  const attributes = { 'rerank.job': record.id, 'rerank.tenant': record.tenant, 'rerank.task.attempt': attempt };
  const origin = { kind: 'client', cause: record.traceparent, attributes } as const;
  return inNewWork('webhook', { job: record.id }, origin, async () => {
    const outcome = await send();
    const status = outcome.status === undefined ? {} : { 'http.response.status_code': outcome.status };
    noteOnSpan({ 'rerank.webhook.outcome': outcome.kind, ...status });
    if (outcome.kind !== 'delivered') spanNow()?.failAs(outcome.kind === 'refused' ? 'webhook_refused' : 'webhook_failed');
    return outcome;
  });
}

const bodyOf = (record: BatchRecord, done: BatchDone): string => JSON.stringify(describeBatchJob(record, { done, nowMs: done.ended_ms }));

/** Nothing of a job comes back that was removed while its webhook was under way. */
async function noteState(jobs: WebhookTaskParts['jobs'], record: BatchRecord, state: WebhookState): Promise<void> {
  if (await jobs.isThere(record)) await jobs.noteWebhook(record, state);
}

function stateAfter(outcome: WebhookOutcome, attempts: number, isLast: boolean): WebhookState {
  const status = outcome.status === undefined ? {} : { last_status: outcome.status };
  if (outcome.kind === 'delivered') return { status: 'delivered', attempts, ...status };
  const detail = `The webhook ${outcome.reason}.`;
  if (outcome.kind === 'refused') return { status: 'refused', attempts, ...status, detail };
  return { status: isLast ? 'failed' : 'retrying', attempts, ...status, detail };
}
