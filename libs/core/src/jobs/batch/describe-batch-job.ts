import type { BatchJobBody, BatchJobStatus } from '../../contracts/index.js';
import { finalCounts } from './batch-jobs.js';
import type { LedgerState } from './batch-ledger.js';
import type { BatchDone, BatchRecord, WebhookState } from './batch-record.js';

/** How a job stands: what the ledger says while it runs, or how it ended. Neither where Redis has lost its memory: then it waits. */
export interface BatchJobProgress {
  readonly state?: LedgerState | undefined;
  readonly done?: BatchDone | undefined;
  readonly webhook?: WebhookState | undefined;
  /** Epoch milliseconds of Redis TIME. */
  readonly nowMs: number;
}

/** A job as clients see it: the secret of its webhook stays here. */
export function describeBatchJob(record: BatchRecord, { state, done, webhook, nowMs }: BatchJobProgress): BatchJobBody {
  const startedMs = done?.started_ms ?? state?.startedMs;
  const self = `/v1/jobs/${record.id}`;
  const etaS = done === undefined ? etaOf(record, state, nowMs) : undefined;
  return {
    id: record.id,
    object: 'job',
    kind: 'batch',
    status: done?.status ?? statusOf(record, state),
    ...(record.retry_of === undefined ? {} : { retry_of: record.retry_of }),
    request_counts: done?.request_counts ?? countsOf(record, state),
    progress: {
      pairs_done: done?.pairs_done ?? state?.pairs ?? 0,
      pairs_total: record.pairs,
      ...(etaS === undefined ? {} : { eta_s: etaS }),
    },
    priority: record.priority,
    ...(record.metadata === undefined ? {} : { metadata: record.metadata }),
    ...(record.webhook === undefined ? {} : { webhook: { url: record.webhook.url, ...webhook } }),
    ...(done?.error === undefined ? {} : { error: done.error }),
    created_at: seconds(record.created_ms),
    ...(startedMs === undefined ? {} : { in_progress_at: seconds(startedMs) }),
    ...(done === undefined ? {} : { ended_at: seconds(done.ended_ms) }),
    expires_at: seconds(record.expires_ms),
    urls: { self, results: `${self}/results`, events: `${self}/events` },
  };
}

const seconds = (epochMs: number): number => Math.floor(epochMs / 1_000);

function statusOf(record: BatchRecord, state: LedgerState | undefined): BatchJobStatus {
  if (state?.closing === 'cancelled') return 'cancelling';
  if (state === undefined) return 'queued';
  if (state.closing !== undefined || state.slicesDone >= record.slices) return 'finalizing';
  return state.startedMs === undefined ? 'queued' : 'in_progress';
}

function countsOf(record: BatchRecord, state: LedgerState | undefined): BatchJobBody['request_counts'] {
  const counts = finalCounts(record, state ?? { succeeded: 0, errored: 0, cancelled: 0, expired: 0 }, undefined);
  return { ...counts, processing: counts.total - counts.succeeded - counts.errored - counts.cancelled - counts.expired };
}

/** Seconds that what is left takes at the speed so far. */
function etaOf({ pairs }: BatchRecord, state: LedgerState | undefined, nowMs: number): number | undefined {
  if (state?.startedMs === undefined || state.pairs === 0 || state.closing !== undefined) return undefined;
  const took = Math.max(0, nowMs - state.startedMs);
  return Math.ceil(((took / state.pairs) * Math.max(0, pairs - state.pairs)) / 1_000);
}
