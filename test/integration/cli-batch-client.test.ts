import type { BatchJobBody, JobBody, JobRequestParameters, JobResultLine } from '@rerank-fleet/client';
import { RerankClient } from '@rerank-fleet/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FaultyProxy, gather, ndjson, startTinyStack } from './cli-batch-support.js';

let stack: Awaited<ReturnType<typeof startTinyStack>>;
let proxy: FaultyProxy;
let client: RerankClient;

beforeAll(async () => {
  stack = await startTinyStack();
});
afterAll(() => stack.remove());
beforeEach(async () => {
  proxy = await new FaultyProxy(stack.url).start();
  client = new RerankClient({ baseUrl: proxy.url });
});
afterEach(() => proxy.stop());

const requests = (count: number): JobRequestParameters[] =>
  Array.from({ length: count }, (_, at) => ({ custom_id: `r${at + 1}`, query: 'prune apple tree', documents: ['prune', 'bake'] }));
const ended = async (job: JobBody): Promise<BatchJobBody> => (await client.waitForJob(job.id)) as BatchJobBody;
const submit = (count: number): Promise<BatchJobBody> => client.submitJob({ requests: requests(count) });
const all = (lines: AsyncIterable<JobResultLine>): Promise<JobResultLine[]> => gather(lines);
const rowsOf = (lines: readonly JobResultLine[]): number[] => lines.map(({ row }) => row).sort((a, b) => a - b);
const upTo = (count: number, first = 1): number[] => Array.from({ length: count }, (_, at) => at + first);
const RESULTS = /^GET .*\/results/;
const EVENTS = /^GET .*\/events/;

async function held(work: () => Promise<void>): Promise<void> {
  const worker = stack.pid('worker');
  process.kill(worker, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(worker, 'SIGCONT');
  }
}

describe('RerankClient.submitJob', () => {
  it('sends few requests as one body, with defaults and metadata', async () => {
    const job = await client.submitJob({
      requests: [{ custom_id: 'a', query: 'apple', documents: ['x', 'y'] }],
      defaults: { top_n: 1 },
      metadata: { run: '7' },
    });
    expect(job).toMatchObject({ kind: 'batch', metadata: { run: '7' }, request_counts: { total: 1 } });
    const [line] = await all(client.jobResults(job.id, { follow: true }));
    expect(line).toMatchObject({
      custom_id: 'a',
      row: 1,
      status: 'succeeded',
      result: { results: [{ index: expect.any(Number) as number }] },
    });
  });

  it.each([
    ['an array', () => requests(1_500)],
    ['a generator', () => requests(1_500).values()],
    ['a stream', () => ReadableStream.from(requests(1_500))],
  ])('sends many requests of %s as NDJSON, rows counted from 1 without options', async (_, make) => {
    const sent: number[] = [];
    const job = await client.submitJob({ requests: make() }, { onUpload: ({ bytes }) => sent.push(bytes) });
    expect(sent.at(-1)).toBe(Buffer.byteLength(ndjson(requests(1_500))));
    expect(rowsOf(await all(client.jobResults(job.id, { follow: true })))).toEqual(upTo(1_500));
  });

  it('sends bytes as they are behind a line with the options', async () => {
    const bytes = Buffer.from(ndjson([...requests(3), '{broken']));
    const job = await client.submitJob({ priority: 3, ndjson: [bytes.subarray(0, 40), bytes.subarray(40)] });
    expect(job.priority).toBe(3);
    const lines = await all(client.jobResults(job.id, { follow: true, order: 'submission' }));
    expect(lines.map(({ row, status }) => [row, status])).toEqual([
      [2, 'succeeded'],
      [3, 'succeeded'],
      [4, 'succeeded'],
      [5, 'errored'],
    ]);
  });

  it('is one job however often it is sent: after a lost answer, and with the same key', async () => {
    proxy.faults.push({ on: /^POST \/v1\/jobs$/, bytes: 0, then: 'cut' });
    const first = await client.submitJob({ requests: requests(3) }, { idempotencyKey: 'once' });
    expect((await client.submitJob({ requests: requests(3) }, { idempotencyKey: 'once' })).id).toBe(first.id);
    expect(proxy.seen).toHaveLength(3);
    await expect(client.submitJob({ requests: requests(4) }, { idempotencyKey: 'once' })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
  });

  it('sends a source that is made anew a second time, and one that is read once not', async () => {
    const source = async function* () {
      yield* requests(2_000);
    };
    proxy.faults.push({ on: /^POST \/v1\/jobs$/, bytes: 0, then: 'cut' });
    expect((await client.submitJob({ requests: source })).request_counts.total).toBe(2_000);
    proxy.faults.push({ on: /^POST \/v1\/jobs$/, bytes: 0, then: 'cut' });
    await expect(client.submitJob({ requests: source() })).rejects.toMatchObject({ name: 'RerankConnectionError' });
  });

  it('estimates without making a job', async () => {
    const before = await gather(client.listJobs());
    expect(await client.estimateJob({ requests: requests(3) })).toMatchObject({ requests: 3, rejected: 0, pairs: 6, errors: [] });
    expect(await gather(client.listJobs())).toHaveLength(before.length);
  });
});

describe('RerankClient.jobResults', () => {
  it('goes on behind the last whole line where a connection was cut, and over other connections after the first', async () => {
    const notices: string[] = [];
    client = new RerankClient({ baseUrl: proxy.url, onRetry: ({ error }) => notices.push(error.name) });
    const job = await submit(1_000);
    for (const bytes of [0, 10, 5_000, 123_457]) proxy.faults.push({ on: RESULTS, bytes, then: 'cut' });
    expect(rowsOf(await all(client.jobResults(job.id, { follow: true })))).toEqual(upTo(1_000));
    expect(proxy.faults).toEqual([]);
    expect(notices).toEqual(Array.from({ length: 4 }, () => 'RerankConnectionError'));
  });

  it('gives what there is without following, and the rest by cursor', async () => {
    const job = await submit(1_000);
    await ended(job);
    const first: JobResultLine[] = [];
    for await (const line of client.jobResults(job.id, { order: 'submission' })) {
      first.push(line);
      if (first.length === 123) break;
    }
    const rest = await all(client.jobResults(job.id, { order: 'submission', after: first.at(-1)!.cursor }));
    expect([...first, ...rest].map(({ row }) => row)).toEqual(upTo(1_000));
  });

  it('gives errored lines alone', async () => {
    const job = await client.submitJob({ requests: [...requests(3), { custom_id: 'bad', query: '' }] });
    expect(await all(client.jobResults(job.id, { follow: true, status: 'errored' }))).toMatchObject([
      { custom_id: 'bad', error: { code: 'invalid_request' } },
    ]);
  });

  it('says at once that there is no such job, and ends at the signal of the caller', async () => {
    await expect(all(client.jobResults('job_00000000000000000000000000000000'))).rejects.toMatchObject({ code: 'job_not_found' });
    await held(async () => {
      const job = await submit(2);
      const controller = new AbortController();
      const reading = all(client.jobResults(job.id, { follow: true, signal: controller.signal }));
      const reason = new Error('enough');
      await expect.poll(() => proxy.seen.some((line) => RESULTS.test(line))).toBe(true);
      controller.abort(reason);
      await expect(reading).rejects.toBe(reason);
    });
  });

  it('gives up on a service that is away for longer than the caller waits', async () => {
    const job = await submit(1_000);
    await ended(job);
    proxy.faults.push({ on: RESULTS, bytes: 5_000, then: 'cut' });
    const reading = client.jobResults(job.id, { outageMs: 1_500 });
    expect((await reading.next()).value).toMatchObject({ status: 'succeeded' });
    await proxy.stop();
    await expect(all(reading)).rejects.toMatchObject({ name: 'RerankConnectionError' });
    proxy = await new FaultyProxy(stack.url).start();
  });
});

describe('RerankClient.jobEvents', () => {
  it('tells the job from now to its end, also over cut connections', async () => {
    await held(async () => {
      const job = await submit(1_000);
      proxy.faults.push({ on: EVENTS, bytes: 0, then: 'cut' }, { on: EVENTS, bytes: 2_000, then: 'cut' });
      const events = client.jobEvents(job.id);
      expect((await events.next()).value).toMatchObject({ id: job.id, request_counts: { processing: 1_000 } });
      process.kill(stack.pid('worker'), 'SIGCONT');
      const rest = await gather(events);
      expect(rest.at(-1)).toMatchObject({ status: 'completed', request_counts: { succeeded: 1_000 } });
      expect(rest.filter(({ status }) => status === 'completed')).toHaveLength(1);
    });
  });

  it('tells a job that has ended once', async () => {
    const job = await submit(2);
    await ended(job);
    expect(await gather(client.jobEvents(job.id))).toMatchObject([{ status: 'completed' }]);
  });
});

describe('RerankClient on jobs', () => {
  it('lists all of them page by page, newest first', async () => {
    const made: string[] = [];
    for (let count = 0; count < 5; count += 1) made.unshift((await submit(1)).id);
    const listed = await gather(client.listJobs({ pageSize: 2, kind: 'batch' }));
    expect(listed.slice(0, 5).map(({ id }) => id)).toEqual(made);
    expect(proxy.seen.filter((line) => line.includes('limit=2&after=')).length).toBeGreaterThanOrEqual(2);
    expect(await gather(client.listJobs({ status: 'failed' }))).toEqual([]);
  });

  it('retries the errored requests as a new job, and deletes what has ended', async () => {
    const job = await client.submitJob({ requests: [...requests(1), { custom_id: 'lost', query: 'q', corpus: 'later' }] });
    // A corpus that is not there is a bad request at submission, which is not retried.
    expect(await ended(job)).toMatchObject({ request_counts: { succeeded: 1, errored: 1 } });
    await expect(client.retryJob(job.id)).rejects.toMatchObject({ code: 'job_not_retryable' });
    await client.deleteJob(job.id);
    await expect(client.getJob(job.id)).rejects.toMatchObject({ code: 'job_not_found' });
  });

  it('cancels, also twice', async () => {
    await held(async () => {
      const job = await submit(10);
      expect((await client.cancelJob(job.id)).status).toMatch(/^cancell(ing|ed)$/);
      expect((await client.cancelJob(job.id)).status).toMatch(/^cancell(ing|ed)$/);
      expect(await client.getJob(job.id)).toMatchObject({ kind: 'batch' });
    });
  });
});
