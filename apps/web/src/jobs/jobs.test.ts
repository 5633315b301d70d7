import type { BatchJobBody, IngestJobBody, JobResultLine } from '@rerank-fleet/client';
import { jobOptionsSchema } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { announcementOf, countsOf, doneOf } from './counts-of.js';
import { gist } from './job-results.js';
import { jobOf } from './submit-job.js';

const BATCH: BatchJobBody = {
  id: 'job_1',
  object: 'job',
  kind: 'batch',
  status: 'in_progress',
  request_counts: { total: 10, processing: 4, succeeded: 3, errored: 2, cancelled: 1, expired: 0 },
  progress: { pairs_done: 30 },
  priority: 50,
  created_at: 0,
  expires_at: 100,
  urls: { self: '', results: '', events: '' },
};
const INGEST: IngestJobBody = {
  id: 'job_2',
  object: 'job',
  kind: 'ingest',
  corpus: 'c',
  status: 'completed',
  request_counts: { total: 3, processing: 0, succeeded: 2, errored: 1 },
  errors: [],
  created_at: 0,
  urls: { self: '' },
};
const line = (more: Partial<JobResultLine>): JobResultLine => ({ row: 1, status: 'succeeded', cursor: 'c', ...more });
const ANSWER = { id: 'x', usage: { prompt_tokens: 1, total_tokens: 1 } };

describe('counts of a job', () => {
  it('are those that its kind has', () => {
    expect(countsOf(BATCH).map(([name]) => name)).toEqual(['succeeded', 'errored', 'cancelled', 'expired', 'processing']);
    expect(countsOf(INGEST)).toEqual([
      ['succeeded', 2],
      ['errored', 1],
      ['processing', 0],
    ]);
  });

  it('count a row as done however it ended', () => {
    expect([doneOf(BATCH), doneOf(INGEST)]).toEqual([6, 3]);
  });

  it('are told aloud at the end, and not at each row', () => {
    expect(announcementOf(BATCH)).toBe(
      announcementOf({ ...BATCH, request_counts: { ...BATCH.request_counts, processing: 3, succeeded: 4 } }),
    );
    expect(announcementOf(INGEST)).toBe('The job is completed: 2 of 3 succeeded, 1 errored.');
  });
});

describe(gist, () => {
  it('names the best document with its score', () => {
    const results = [{ index: 4, relevance_score: 0.91234 }];
    const meta = { api_version: { version: '1' }, billed_units: { search_units: 1 }, tokens: { input_tokens: 1 } };
    expect(gist(line({ result: { ...ANSWER, model: 'm', results, meta } }))).toBe('document 4 (0.912)');
  });

  it('names the best document of a search by its title', () => {
    const results = [{ document_id: 'd', title: 'Title', passage: { index: 0, start: 0, end: 1 }, first_stage: { score: 1, rank: 1 } }];
    const search = { ...ANSWER, corpus: 'c', version: 1, truncated: [], timings_ms: { queue: 0, total: 1 } };
    expect(gist(line({ result: { ...search, results } }))).toBe('Title');
    expect(gist(line({ result: { ...search, results: [] } }))).toBe('nothing found');
  });

  it('says what was wrong', () => {
    expect(gist(line({ status: 'errored', error: { code: 'invalid_request', message: '/query: must not be empty.' } }))).toBe(
      'invalid_request: /query: must not be empty.',
    );
    expect(gist(line({ status: 'cancelled' }))).toBe('–');
  });
});

describe(jobOf, () => {
  const file = new Blob(['{"custom_id":"a"}\n']);

  it('sends the file as it is where nothing was chosen', async () => {
    const { ndjson, ...options } = jobOf(file, { corpus: ' ', topN: '', priority: '', strict: false });
    expect(options).toEqual({});
    expect(typeof ndjson === 'function' && (await new Response(ndjson() as ReadableStream<Uint8Array<ArrayBuffer>>).text())).toBe(
      await file.text(),
    );
  });

  it('sends options that the service takes', () => {
    const { ndjson: _file, ...options } = jobOf(file, { corpus: 'c', topN: '3', priority: '0', strict: true });
    expect(jobOptionsSchema.parse(options)).toMatchObject({ defaults: { corpus: 'c', top_n: 3 }, priority: 0, strict: true });
  });
});
