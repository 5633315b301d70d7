import { openAiBatchResultSchema, openAiBatchSchema, type BatchJobBody, type StoredResultLine } from '@rerank-fleet/core/contracts';
import type { OpenAiBatchRecord } from '@rerank-fleet/core/jobs';
import { describe, expect, it } from 'vitest';
import { jobIdOf, outputOf } from './batch-ids.js';
import { describeOpenAiBatch, type OpenAiBatchProgress } from './describe-openai-batch.js';
import { resultOf } from './output-lines.js';
import { pageOf } from './page-of.js';

const DIGITS = '0f8fad5bd9cb469fa165706867700ab1';
const BATCH: OpenAiBatchRecord = {
  v: 1,
  id: `job_${DIGITS}`,
  tenant: 'acme',
  input_file_id: 'file-1',
  endpoint: '/v1/rerank',
  completion_window: '1h',
  created_ms: 1_000_000,
  expires_ms: 4_600_000,
};

function job(status: BatchJobBody['status'], counts: Partial<BatchJobBody['request_counts']> = {}): BatchJobBody {
  const hasEnded = ['completed', 'failed', 'expired', 'cancelled'].includes(status);
  return {
    id: BATCH.id,
    object: 'job',
    kind: 'batch',
    status,
    request_counts: { total: 10, processing: 0, succeeded: 0, errored: 0, cancelled: 0, expired: 0, ...counts },
    progress: { pairs_done: 0 },
    priority: 50,
    created_at: 1_001,
    ...(hasEnded ? { ended_at: 1_009 } : {}),
    expires_at: 4_600,
    urls: { self: '', results: '', events: '' },
  };
}

const described = (progress: OpenAiBatchProgress) => openAiBatchSchema.strict().parse(describeOpenAiBatch(BATCH, progress));

describe('describeOpenAiBatch', () => {
  it('is validating before it is a job, cancelled or not', () => {
    expect(described({})).toMatchObject({
      id: `batch_${DIGITS}`,
      status: 'validating',
      in_progress_at: null,
      expires_at: 4_600,
      errors: null,
    });
    expect(described({ cancelledMs: 1_002_000 })).toMatchObject({ status: 'cancelling', cancelling_at: 1_002, cancelled_at: null });
  });

  it('is in progress from when it is a job', () => {
    for (const status of ['queued', 'in_progress'] as const)
      expect(described({ job: job(status, { succeeded: 4 }) })).toMatchObject({
        status: 'in_progress',
        in_progress_at: 1_001,
        output_file_id: null,
        request_counts: { total: 10, completed: 4, failed: 0 },
      });
  });

  it.each([
    ['completed', 'completed_at'],
    ['expired', 'expired_at'],
    ['cancelled', 'cancelled_at'],
    ['failed', 'failed_at'],
  ] as const)('ends as %s', (status, time) => {
    const times = ['completed_at', 'failed_at', 'expired_at', 'cancelled_at'] as const;
    const batch = described({ job: job(status, { succeeded: 3, errored: 2, cancelled: 4, expired: 1 }), cancelledMs: 1_005_000 });
    expect(times.filter((each) => batch[each] !== null)).toEqual([time]);
    expect(batch).toMatchObject({
      status,
      [time]: 1_009,
      output_file_id: `file-out-${DIGITS}`,
      error_file_id: `file-err-${DIGITS}`,
      request_counts: { total: 10, completed: 3, failed: 7 },
    });
  });

  it('names no file that would be empty', () => {
    expect(described({ job: job('completed', { succeeded: 10 }) })).toMatchObject({ error_file_id: null });
    expect(described({ job: job('expired', { expired: 10 }) })).toMatchObject({ output_file_id: null });
  });

  it('says why it never became a job', () => {
    const errors = [{ code: 'invalid_request', line: 1, message: 'Why.', param: null }];
    expect(described({ end: { status: 'failed', ended_ms: 1_003_000, errors } })).toMatchObject({
      status: 'failed',
      failed_at: 1_003,
      errors: { object: 'list', data: errors },
    });
  });
});

describe('resultOf', () => {
  const result = (line: Omit<StoredResultLine, 'row'>) => openAiBatchResultSchema.strict().parse(resultOf(BATCH, { row: 7, ...line }));
  const id = `batch_req_${DIGITS}_7`;

  it('gives an errored request the answer that it would have got', () => {
    const error = { code: 'query_too_long', message: 'Too long.', errors: [{ pointer: '/query', detail: 'x' }] };
    expect(result({ custom_id: 'a', status: 'errored', error })).toEqual({
      id,
      custom_id: 'a',
      response: {
        status_code: 422,
        request_id: id,
        body: { error: { message: 'Too long.', type: 'invalid_request_error', param: 'query', code: 'query_too_long' } },
      },
      error: { code: 'query_too_long', message: 'Too long.' },
    });
  });

  it('gives none to a request that never ran', () => {
    expect(result({ status: 'expired' })).toMatchObject({ custom_id: null, response: null, error: { code: 'batch_expired' } });
    expect(result({ custom_id: 'a', status: 'cancelled' })).toMatchObject({ response: null, error: { code: 'batch_cancelled' } });
  });
});

describe('ids', () => {
  it('are those of the job, and nothing else is taken for one', () => {
    expect(jobIdOf(`batch_${DIGITS}`)).toBe(BATCH.id);
    expect(outputOf(`file-out-${DIGITS}`)).toEqual({ job: BATCH.id, kind: 'output' });
    expect(outputOf(`file-err-${DIGITS}`)).toEqual({ job: BATCH.id, kind: 'error' });
    for (const id of ['batch_', `batch_${DIGITS}0`, `job_${DIGITS}`, `batch_../../${DIGITS.slice(6)}`]) expect(jobIdOf(id)).toBeUndefined();
    for (const id of [`file-${DIGITS}`, 'file-out-', `file-out-${DIGITS.toUpperCase()}`]) expect(outputOf(id)).toBeUndefined();
  });
});

describe('pageOf', () => {
  async function* ids(count: number): AsyncGenerator<string, void, undefined> {
    for (let at = 0; at < count; at += 1) yield `${at}`;
  }

  it.each([
    [0, 5, 0, false],
    [5, 5, 5, false],
    [6, 5, 5, true],
    [100, 40, 40, true],
  ])('of %i items, at most %i, has %i', async (count, limit, length, more) => {
    const page = await pageOf(ids(count), limit, async (id) => ({ id }));
    expect(page.data).toHaveLength(length);
    expect(page.has_more).toBe(more);
    expect(page.last_id).toBe(length === 0 ? null : `${length - 1}`);
  });

  it('looks on past items that are not there', async () => {
    const page = await pageOf(ids(100), 3, async (id) => (Number(id) % 30 === 0 ? { id } : undefined));
    expect(page).toMatchObject({ data: [{ id: '0' }, { id: '30' }, { id: '60' }], has_more: true, first_id: '0', last_id: '60' });
  });
});
