import { RerankClient } from '@rerank-fleet/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  assertNothingRuns,
  isAlive,
  makeStateDirectory,
  processesOf,
  removeFolder,
  startTestStack,
  until,
  untilScoring,
  type TestStack,
} from '../support/stack.js';
import { expectProblem } from './problem.js';
import { redisUrlOf, rerankUp, type UpProcess } from './rerank-up.js';

const DOCUMENT = 'The ferry sails to the northern islands at noon, and comes back in the evening when the wind allows it. ';

/** Work of some seconds on one core: every pair fills a third of the window and is scored alone. */
function slowRequest(documents: number): { query: string; documents: string[]; deterministic: boolean } {
  return {
    query: 'when does the ferry sail',
    documents: Array.from({ length: documents }, (_, n) => `${n}. ${DOCUMENT.repeat(6)}`),
    deterministic: true,
  };
}

const postRerank = (url: string, body: object, signal?: AbortSignal): Promise<Response> =>
  fetch(`${url}/v1/rerank`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });

describe('a running stack', () => {
  let stack: TestStack;

  beforeAll(async () => {
    stack = await startTestStack();
    await stack.client.putCorpus('kept');
    await stack.client.ingest('kept', [{ id: 'one', text: DOCUMENT }], { wait: true });
  });

  afterAll(() => stack.stop());

  /** Each fault passes: the same corpus, the same documents, and a worker that scores. */
  afterEach(async () => {
    const { results } = await stack.client.search({ corpus: 'kept', query: 'northern islands', timeout_ms: 30_000 });
    expect(results.map(({ document_id }) => document_id)).toEqual(['one']);
  });

  const kill = async (name: string): Promise<void> => {
    const before = stack.pid(name);
    process.kill(before, 'SIGKILL');
    await until(`${name} to be started again`, () => isAlive(stack.pid(name)) && stack.pid(name) !== before);
  };

  it('answers inside the deadline when its worker is killed under the request', async () => {
    const request = slowRequest(40);
    const answer = stack.client.rerank({ ...request, timeout_ms: 45_000 });
    await stack.untilScoring();
    await kill('worker');
    expect((await answer).results).toHaveLength(request.documents.length);
  });

  it('serves on the same address, with its data, after its API was killed', async () => {
    const open = postRerank(stack.url, slowRequest(40)).then(
      ({ status }) => status,
      () => 'broken',
    );
    await stack.untilScoring();
    await kill('api');
    expect(await open).toBe('broken');
    await until('the API to be ready', async () => (await fetch(`${stack.url}/health/ready`).catch(() => undefined))?.status === 200);
    expect(await stack.client.getCorpus('kept')).toMatchObject({ documents: 1 });
  });

  it('loses nothing of an ingest when Redis is killed in the midst of it', async () => {
    await stack.client.putCorpus('ingest');
    const documents = Array.from({ length: 700 }, (_, n) => ({
      id: `d${n}`,
      text: `Timetable ${n}: the ferry sails at ${n % 24} o'clock.`,
    }));
    const job = await stack.client.ingest('ingest', documents);
    await until('a slice to be stored', async () => (await stack.client.getJob(job.id)).request_counts.succeeded > 0, 60_000);
    const before = await stack.client.getJob(job.id);
    await kill('redis');
    expect(before.status).toBe('in_progress');
    const done = await stack.client.waitForJob(job.id, { timeoutMs: 120_000 });
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 700, processing: 0, succeeded: 700, errored: 0 } });
    expect(await stack.client.getCorpus('ingest')).toMatchObject({ documents: 700, passages: 700 });
    await stack.client.deleteCorpus('ingest');
  });

  it('says that the queue is away while Redis does not answer, and serves again when it does', async () => {
    const redis = stack.pid('redis');
    process.kill(redis, 'SIGSTOP');
    try {
      const ready = await fetch(`${stack.url}/health/ready`);
      expect(ready.status).toBe(503);
      expect(await ready.json()).toMatchObject({ status: 'error' });
      const started = performance.now();
      const refused = await postRerank(stack.url, { query: 'q', documents: ['a'], timeout_ms: 1_000 });
      await expectProblem(refused, { code: 'queue_unavailable' });
      expect(performance.now() - started).toBeLessThan(10_000);
    } finally {
      process.kill(redis, 'SIGCONT');
    }
    await until('the API to be ready', async () => (await fetch(`${stack.url}/health/ready`)).status === 200);
  });

  it('drops the work of a client that has left', async () => {
    const leaving = new AbortController();
    const gone = postRerank(stack.url, slowRequest(1_000), leaving.signal);
    gone.catch(() => undefined);
    await stack.untilScoring();
    leaving.abort();
    await expect(gone).rejects.toThrow();
    // A thousand such pairs take most of a minute: only dropped ones leave the worker within the time that `until` has.
    await until(
      'the worker to have nothing in hand',
      async () => (await stack.redis('LLEN {rf}:sync-default:active')).includes(':0'),
      5_000,
    );
    const { results } = await stack.client.rerank({ query: 'ferry', documents: [DOCUMENT], timeout_ms: 5_000 });
    expect(results).toHaveLength(1);
  });

  it('drops the work whose deadline passes', async () => {
    await expectProblem(await postRerank(stack.url, { ...slowRequest(1_000), timeout_ms: 1_000 }), {
      code: 'deadline_exceeded',
      detail: /timeout_ms/,
    });
    await until(
      'the worker to have nothing in hand',
      async () => (await stack.redis('LLEN {rf}:sync-default:active')).includes(':0'),
      5_000,
    );
  });
});

describe('a stack without a worker', () => {
  it.each(['that never had one', 'whose worker was stopped'])(
    '%s answers 503 with Retry-After, and keeps nothing in the queue',
    async (history) => {
      const stateDirectory = await makeStateDirectory();
      try {
        if (history !== 'that never had one') await (await startTestStack({ stateDirectory })).stop();
        const stack = await startTestStack({ stateDirectory, stack: { workers: 0 } });
        try {
          const response = await postRerank(stack.url, { query: 'q', documents: ['a'], timeout_ms: 500 });
          expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
          await expectProblem(response, { code: 'model_unavailable', detail: /start one/ });
          expect((await fetch(`${stack.url}/health/ready`)).status).toBe(200);
          expect(await stack.redis('LLEN {rf}:sync-default:wait')).toContain(':0');
        } finally {
          await stack.stop();
        }
      } finally {
        await removeFolder(stateDirectory);
      }
    },
  );
});

describe('rerank up', () => {
  let stateDirectory: string;
  let started: UpProcess[];

  beforeEach(async () => {
    stateDirectory = await makeStateDirectory();
    started = [];
  });

  afterEach(async () => {
    for (const up of started) if (isAlive(up.pid)) up.kill('SIGTERM');
    await Promise.all(started.map(({ ended }) => ended));
    await assertNothingRuns(stateDirectory);
    await removeFolder(stateDirectory);
  });

  async function up(): Promise<{ readonly process: UpProcess; readonly url: string; readonly client: RerankClient }> {
    const process = rerankUp({ stateDirectory });
    started.push(process);
    const url = await process.untilReady();
    return { process, url, client: new RerankClient({ baseUrl: url }) };
  }

  it.each(['SIGTERM', 'SIGINT'] as const)('ends the request in hand with 200 on %s, exits 0 and leaves nothing', async (signal) => {
    const { process, url } = await up();
    const request = slowRequest(40);
    const answer = postRerank(url, request);
    await untilScoring(await redisUrlOf(stateDirectory));
    process.kill(signal);
    const response = await answer;
    expect(response.status).toBe(200);
    expect(((await response.json()) as { results: unknown[] }).results).toHaveLength(request.documents.length);
    expect({ status: await process.ended, said: process.said() }).toEqual({ status: 0, said: expect.any(String) as string });
    await assertNothingRuns(stateDirectory);
  });

  it('leaves no process when it is killed under a request, and the next one has the data', async () => {
    const first = await up();
    await first.client.putCorpus('kept');
    await first.client.ingest('kept', [{ id: 'one', text: DOCUMENT }], { wait: true });
    expect((await processesOf(stateDirectory)).length).toBeGreaterThanOrEqual(4);
    const open = postRerank(first.url, slowRequest(400)).catch(() => undefined);
    await untilScoring(await redisUrlOf(stateDirectory));
    first.process.kill('SIGKILL');
    expect(await first.process.ended).toBe('SIGKILL');
    await assertNothingRuns(stateDirectory);
    await open;
    const second = await up();
    expect(await second.client.getCorpus('kept')).toMatchObject({ documents: 1, passages: 1 });
    const { results } = await second.client.search({ corpus: 'kept', query: 'northern islands' });
    expect(results.map(({ document_id }) => document_id)).toEqual(['one']);
  });

  it('ends an ingest after it was killed in the midst of it', async () => {
    const first = await up();
    await first.client.putCorpus('ingest');
    const documents = Array.from({ length: 600 }, (_, n) => ({
      id: `d${n}`,
      text: `Timetable ${n}: the ferry sails at ${n % 24} o'clock.`,
    }));
    const job = await first.client.ingest('ingest', documents);
    first.process.kill('SIGKILL');
    await first.process.ended;
    await assertNothingRuns(stateDirectory);
    const second = await up();
    const done = await second.client.waitForJob(job.id, { timeoutMs: 120_000 });
    expect(done.request_counts).toEqual({ total: 600, processing: 0, succeeded: 600, errored: 0 });
    expect(await second.client.getCorpus('ingest')).toMatchObject({ documents: 600, passages: 600 });
  });
});
