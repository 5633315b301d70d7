import { gzipSync } from 'node:zlib';
import { batchJobSchema, type BatchJobBody } from '@rerank-fleet/core/contracts';
import { BatchJobs } from '@rerank-fleet/core/jobs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { corpusRecord } from '../support/api-fakes.js';
import { startTestApi, type TestApi } from './api-support.js';

let api: TestApi;

beforeEach(async () => {
  api = await startTestApi();
  await api.fleet.documents.createCorpus(corpusRecord({ tenant: 'default', corpus: 'manuals' }));
});
afterEach(() => api.close());

const ndjson = (...lines: unknown[]): string => lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
const sendLines = (payload: string | Buffer, headers: Record<string, string> = {}, url = '/v1/jobs') =>
  api.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/x-ndjson', ...headers } });
const sendJson = (payload: object, headers: Record<string, string> = {}, url = '/v1/jobs') => api.inject({ method: 'POST', url, payload, headers });
const jobOf = (answer: { json(): unknown }): BatchJobBody => batchJobSchema.parse(answer.json());

describe('POST /v1/jobs', () => {
  it('accepts JSON', async () => {
    const answer = await sendJson({ requests: [{ custom_id: 'a', query: 'q', corpus: 'manuals' }], metadata: { run: '7' } });
    expect(answer.json()).toMatchObject({ status: 'queued', metadata: { run: '7' } });
    expect(answer.statusCode).toBe(202);
    const job = jobOf(answer);
    expect(answer.headers['location']).toBe(`/v1/jobs/${job.id}`);
    const record = await new BatchJobs(api.fleet.blobs).record('default', job.id);
    expect(await new BatchJobs(api.fleet.blobs).rows(record!, 0)).toEqual([{ row: 1, request: { custom_id: 'a', query: 'q', corpus: 'manuals' } }]);
  });

  it('accepts NDJSON with options, gzipped', async () => {
    const body = gzipSync(ndjson({ job: { defaults: { corpus: 'manuals' } } }, { custom_id: 'a', query: 'q' }, { custom_id: 'b', query: 'q', documents: ['x'] }, '{'));
    const answer = await sendLines(body, { 'content-encoding': 'gzip' });
    expect(answer.json()).toMatchObject({ status: 'queued', request_counts: { total: 3, errored: 1 } });
  });
});
