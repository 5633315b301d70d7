import { describe, expect, it } from 'vitest';
import { describeIngestJob, type FinishedSlice } from './describe-ingest-job.js';
import type { IngestJobRecord } from './ingest-job-record.js';

const record: IngestJobRecord = {
  id: 'job_1',
  tenant: 't',
  corpus: 'c',
  corpus_id: 'i',
  created_ms: 1_000,
  total: 401,
  rejected: 1,
  errors: [],
  slices: [1, 2, 3, 4].map((seq) => ({ seq, documents: 100 })),
};
const slice = (finishedS: number | undefined, more: Partial<FinishedSlice> = {}): FinishedSlice => ({
  kind: 'ingest',
  succeeded: 100,
  errors: [],
  ...(finishedS === undefined ? {} : { finished_ms: finishedS * 1_000 }),
  ...more,
});
const at = (seconds: number) => ({ nowMs: seconds * 1_000 });

describe('describeIngestJob', () => {
  it('tells speed and time left by the slices behind the first', () => {
    expect(describeIngestJob(record, [slice(12), slice(10)], at(12)).progress).toEqual({ documents_per_s: 50, eta_s: 4 });
    expect(describeIngestJob(record, [slice(10), slice(12), slice(14)], at(16)).progress).toEqual({ documents_per_s: 50, eta_s: 2 });
  });

  it('slows down once nothing has come for longer than usual', () => {
    expect(describeIngestJob(record, [slice(10), slice(12)], at(18)).progress).toEqual({ documents_per_s: 25, eta_s: 8 });
  });

  it.each([
    ['nothing is done', []],
    ['one slice is done', [slice(10)]],
    ['older workers told no times', [slice(undefined), slice(undefined)]],
    ['two slices ended at the same moment', [slice(10), slice(10)]],
  ])('tells no speed while %s', (_, outcomes) => {
    expect(describeIngestJob(record, outcomes, at(20))).not.toHaveProperty('progress');
  });

  it('tells no speed of a job that has ended', () => {
    const outcomes = [slice(10), slice(12), slice(14), slice(16)];
    const job = describeIngestJob(record, outcomes, { completedMs: 16_500 });
    expect(job).toMatchObject({ status: 'completed', completed_at: 16, request_counts: { processing: 0, succeeded: 400, errored: 1 } });
    expect(job).not.toHaveProperty('progress');
  });

  it('counts what was unchanged where the outcomes say so', () => {
    expect(describeIngestJob(record, [slice(10, { unchanged: 90 }), slice(12)], at(12)).unchanged).toBe(90);
    expect(describeIngestJob(record, [slice(10)], at(12))).not.toHaveProperty('unchanged');
  });
});
