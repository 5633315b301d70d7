import { describe, expect, it } from 'vitest';
import { batchJobSchema } from '../../contracts/index.js';
import type { LedgerState } from './batch-ledger.js';
import type { BatchRecord } from './batch-record.js';
import { describeBatchJob } from './describe-batch-job.js';
import { ledgerJobOf } from './batch-keeper.js';

const record: BatchRecord = {
  v: 1,
  id: `job_${'0'.repeat(32)}`,
  tenant: 'default',
  dialect: 'native',
  upload: 'uploads/default/u',
  pool: 'default',
  priority: 50,
  webhook: { url: 'https://example.com/hook', secret: 'never to be shown' },
  created_ms: 1_000_000,
  expires_ms: 2_000_000,
  total: 10,
  rejected: 2,
  slices: 4,
  pairs: 80,
  tokens: 800,
  bytes: 4_000,
};

const running = (overrides: Partial<LedgerState> = {}): LedgerState => ({
  job: ledgerJobOf(record),
  succeeded: 3,
  errored: 1,
  cancelled: 0,
  expired: 0,
  pairs: 40,
  inFlight: 1,
  slicesDone: 2,
  startedMs: 1_010_000,
  version: 5,
  doneSlices: Buffer.alloc(1),
  ...overrides,
});

describe('describeBatchJob', () => {
  it('counts rows that were refused at submission as errored from the start', () => {
    const job = describeBatchJob(record, { nowMs: 1_000_000 });
    expect(batchJobSchema.parse(job)).toEqual(job);
    expect(job).toMatchObject({ status: 'queued', request_counts: { total: 10, processing: 8, errored: 2 }, progress: { pairs_done: 0 } });
    expect(job).not.toHaveProperty('in_progress_at');
  });

  it('tells the time that is left by the speed so far', () => {
    const job = describeBatchJob(record, { state: running(), nowMs: 1_030_000 });
    expect(job).toMatchObject({
      status: 'in_progress',
      request_counts: { total: 10, processing: 4, succeeded: 3, errored: 3 },
      progress: { pairs_done: 40, pairs_total: 80, eta_s: 20 },
      in_progress_at: 1_010,
    });
  });

  it.each([
    [{ closing: 'cancelled' as const }, 'cancelling'],
    [{ closing: 'expired' as const }, 'finalizing'],
    [{ slicesDone: 4 }, 'finalizing'],
  ])('is %o → %s', (state, status) => {
    expect(describeBatchJob(record, { state: running(state), nowMs: 1_030_000 }).status).toBe(status);
  });

  it('says of a job that has ended what was written at its end, and never the secret', () => {
    const request_counts = { total: 10, processing: 0, succeeded: 8, errored: 2, cancelled: 0, expired: 0 };
    const done = {
      status: 'completed' as const,
      request_counts,
      pairs_done: 80,
      started_ms: 1_010_000,
      ended_ms: 1_020_500,
      done_slices: '8A==',
    };
    const job = describeBatchJob(record, { done, nowMs: 1_030_000 });
    expect(job).toMatchObject({ status: 'completed', request_counts, ended_at: 1_020, webhook: { url: 'https://example.com/hook' } });
    expect(JSON.stringify(job)).not.toContain('never to be shown');
  });
});
