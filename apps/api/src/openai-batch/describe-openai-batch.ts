import { secondsOfWindow, type BatchJobBody, type OpenAiBatch } from '@rerank-fleet/core/contracts';
import type { OpenAiBatchEnd, OpenAiBatchRecord } from '@rerank-fleet/core/jobs';
import { batchIdOf, outputIdOf } from './batch-ids.js';

/** How a batch stands: as the job that it became, or how it ended before. Neither while its input is checked. */
export interface OpenAiBatchProgress {
  readonly job?: BatchJobBody | undefined;
  readonly end?: OpenAiBatchEnd | undefined;
  readonly cancelledMs?: number | undefined;
}

type Status = OpenAiBatch['status'];
const seconds = (epochMs: number): number => Math.floor(epochMs / 1_000);

/** A batch as OpenAI's clients see it. */
export function describeOpenAiBatch(batch: OpenAiBatchRecord, { job, end, cancelledMs }: OpenAiBatchProgress): OpenAiBatch {
  const status = statusOf(job, end, cancelledMs);
  const endedAt = job?.ended_at ?? (end === undefined ? undefined : seconds(end.ended_ms));
  const endedAs = (wanted: Status): number | null => (status === wanted ? (endedAt ?? null) : null);
  const wasCancelled = status === 'cancelling' || status === 'cancelled';
  return {
    id: batchIdOf(batch.id),
    object: 'batch',
    endpoint: batch.endpoint,
    errors: errorsOf(job, end),
    input_file_id: batch.input_file_id,
    completion_window: batch.completion_window,
    status,
    ...outputsOf(batch, job),
    created_at: seconds(batch.created_ms),
    in_progress_at: job?.created_at ?? null,
    expires_at: seconds(batch.created_ms) + secondsOfWindow(batch.completion_window),
    finalizing_at: endedAs('completed'),
    completed_at: endedAs('completed'),
    failed_at: endedAs('failed'),
    expired_at: endedAs('expired'),
    cancelling_at: wasCancelled && cancelledMs !== undefined ? seconds(cancelledMs) : null,
    cancelled_at: endedAs('cancelled'),
    request_counts: countsOf(job),
    metadata: batch.metadata ?? null,
  };
}

function statusOf(job: BatchJobBody | undefined, end: OpenAiBatchEnd | undefined, cancelledMs: number | undefined): Status {
  if (job !== undefined) return job.status === 'queued' ? 'in_progress' : job.status;
  return end?.status ?? (cancelledMs === undefined ? 'validating' : 'cancelling');
}

function countsOf(job: BatchJobBody | undefined): OpenAiBatch['request_counts'] {
  if (job === undefined) return { total: 0, completed: 0, failed: 0 };
  const { total, succeeded, errored, cancelled, expired } = job.request_counts;
  return { total, completed: succeeded, failed: errored + cancelled + expired };
}

function outputsOf({ id }: OpenAiBatchRecord, job: BatchJobBody | undefined): Pick<OpenAiBatch, 'output_file_id' | 'error_file_id'> {
  const { completed, failed } = countsOf(job);
  const hasEnded = job?.ended_at !== undefined;
  return {
    output_file_id: hasEnded && completed > 0 ? outputIdOf(id, 'output') : null,
    error_file_id: hasEnded && failed > 0 ? outputIdOf(id, 'error') : null,
  };
}

function errorsOf(job: BatchJobBody | undefined, end: OpenAiBatchEnd | undefined): OpenAiBatch['errors'] {
  const ofJob = job?.error && [{ code: job.error.code, line: null, message: job.error.detail, param: null }];
  const data = end?.errors ?? ofJob;
  return data === undefined ? null : { object: 'list', data };
}
