import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { RerankClient, type RerankClientOptions } from '@rerank-fleet/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContractServer, problem } from './cli-contract-server.js';

let server: ContractServer;
const clientFor = (options: Partial<RerankClientOptions> = {}) => new RerankClient({ baseUrl: server.url, ...options });

beforeEach(async () => {
  server = await new ContractServer().start();
});
afterEach(() => server.stop());

describe('RerankClient', () => {
  it('reranks, and sends its key', async () => {
    const answer = await clientFor({ apiKey: 'key-of-sixteen-ch' }).rerank({
      query: 'apple tree',
      documents: ['a pie', 'an apple tree'],
      top_n: 1,
    });
    expect(answer.results).toEqual([{ index: 1, relevance_score: expect.any(Number) as number, logit: 2 }]);
    expect(server.requests[0]).toMatchObject({ path: '/v1/rerank', headers: { authorization: 'Bearer key-of-sixteen-ch' } });
  });

  it('makes, fills, searches and deletes a corpus', async () => {
    const client = clientFor();
    expect((await client.putCorpus('trees', { chunking: { mode: 'none' } })).documents).toBe(0);
    expect(JSON.parse(server.requests[0]!.body)).toEqual({ chunking: { mode: 'none' } });
    const states: string[] = [];
    const job = await client.ingest(
      'trees',
      [
        { id: 'a/b c.md', text: 'an apple' },
        { id: '2', title: 'Two', text: 'a pear tree' },
      ],
      { wait: true, onAccepted: (accepted) => states.push(`accepted ${accepted.id}`), onProgress: (state) => states.push(state.status) },
    );
    expect(job.request_counts).toEqual({ total: 2, processing: 0, succeeded: 2, errored: 0 });
    expect(states).toEqual(['accepted job_1', 'in_progress', 'completed']);
    expect(await client.getDocument('trees', 'a/b c.md')).toEqual({ id: 'a/b c.md', text: 'an apple' });
    const found = await client.search({ corpus: 'trees', query: 'pear' });
    expect(found.results[0]).toMatchObject({ document_id: '2', title: 'Two', first_stage: { rank: 2 } });
    await client.deleteDocument('trees', '2');
    expect((await client.listCorpora()).map(({ name, documents }) => ({ name, documents }))).toEqual([{ name: 'trees', documents: 1 }]);
    await client.deleteCorpus('trees');
    await expect(client.getCorpus('trees')).rejects.toMatchObject({ code: 'corpus_not_found', status: 404 });
  });

  it('streams documents while they are made, and tells what was sent', async () => {
    const client = clientFor();
    await client.putCorpus('many');
    async function* documents() {
      for (let row = 0; row < 5_000; row += 1) yield { id: `d${row}`, text: `text of document ${row}` };
    }
    const sent: number[] = [];
    const job = await client.ingest('many', documents(), { onUpload: (progress) => sent.push(progress.documents) });
    expect(job.request_counts.total).toBe(5_000);
    expect(sent.length).toBeGreaterThan(1);
    expect(sent.at(-1)).toBe(5_000);
    expect(server.corpora.get('many')?.size).toBe(5_000);
    expect(server.requests.at(-1)?.headers).toMatchObject({ 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' });
  });

  it('reads health, models and jobs', async () => {
    const client = clientFor();
    expect((await client.health()).status).toBe('ok');
    expect((await client.listModels())[0]).toMatchObject({ id: 'ms-marco-MiniLM-L-12-v2', live_workers: 1 });
    await expect(client.getJob('job_0')).rejects.toMatchObject({ code: 'job_not_found', requestId: 'req-3' });
  });

  it('tells bad health as an answer, not as an error', async () => {
    server.faults.push({
      on: 'GET /health',
      status: 503,
      body: JSON.stringify({ status: 'error', checks: { redis: { status: 'error', detail: 'gone' } } }),
    });
    expect(await clientFor().health()).toEqual({ status: 'error', checks: { redis: { status: 'error', detail: 'gone' } } });
  });

  it('keeps what a newer service adds to an answer', async () => {
    const answer = { object: 'list', data: [], next_cursor: 'x' };
    server.faults.push({ on: 'GET /v1/corpora', status: 200, body: JSON.stringify({ ...answer, data: [] }) });
    expect(await clientFor().listCorpora()).toEqual([]);
    const health = { status: 'ok', checks: {}, uptime_s: 5 };
    server.faults.push({ on: 'GET /health', status: 200, body: JSON.stringify(health) });
    expect(await clientFor().health()).toEqual(health);
  });
});

describe('RerankClient on faults', () => {
  const [, overloaded] = problem('overloaded', 'Come back.');
  const busy = (headers: Record<string, string> = {}) => ({ status: 429, headers, body: JSON.stringify(overloaded) });

  it('retries what was refused with a time, ingests of arrays included, and says so', async () => {
    const notices: string[] = [];
    const client = clientFor({ onRetry: ({ error }) => notices.push(error.message) });
    await client.putCorpus('c');
    server.faults.push({ on: 'POST /v1/corpora', ...busy({ 'retry-after': '0' }) });
    const job = await client.ingest('c', [{ id: '1', text: 'x' }]);
    expect(job.request_counts.total).toBe(1);
    expect(notices).toEqual(['overloaded: Come back.']);
  });

  it('sends a source that can be read only once no second time', async () => {
    const client = clientFor();
    await client.putCorpus('c');
    server.faults.push({ on: 'POST /v1/corpora', ...busy({ 'retry-after': '0' }) });
    async function* source() {
      yield { text: 'x' };
    }
    await expect(client.ingest('c', source())).rejects.toMatchObject({ code: 'overloaded', retryAfterS: 0, requestId: 'req-x' });
    expect(server.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it('gives up at once when the service asks for more time than is left', async () => {
    server.faults.push({ on: 'POST /v1/rerank', ...busy({ 'retry-after': '30' }) });
    await expect(clientFor({ timeoutMs: 5_000 }).rerank({ query: 'q', documents: ['d'] })).rejects.toMatchObject({ retryAfterS: 30 });
    expect(server.requests).toHaveLength(1);
  });

  it('repeats a search over a broken connection, and a delete never', async () => {
    const client = clientFor();
    await client.putCorpus('c');
    server.faults.push({ on: 'POST /v1/search', hangUp: true });
    expect((await client.search({ corpus: 'c', query: 'q' })).results).toEqual([]);
    server.faults.push({ on: 'DELETE', hangUp: true });
    await expect(client.deleteCorpus('c')).rejects.toMatchObject({ name: 'RerankConnectionError' });
    expect(server.corpora.has('c')).toBe(true);
  });

  it('says how to start the service when nothing listens', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    const client = new RerankClient({ baseUrl: `http://127.0.0.1:${port}/` });
    await expect(client.listModels()).rejects.toThrow(
      `nothing answers at http://127.0.0.1:${port}: start it with \`npm start\` or \`rerank up\``,
    );
  });

  it('ends at its deadline and at the signal of the caller', async () => {
    server.faults.push({ on: 'POST /v1/rerank', silent: true }, { on: 'POST /v1/rerank', silent: true });
    const body = { query: 'q', documents: ['d'] };
    await expect(clientFor().rerank(body, { timeoutMs: 50 })).rejects.toMatchObject({ name: 'RerankTimeoutError', timeoutMs: 50 });
    const reason = new Error('the user left');
    const controller = new AbortController();
    const call = clientFor().rerank(body, { signal: controller.signal });
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  it('stops an upload and its source when the caller leaves', async () => {
    const client = clientFor();
    await client.putCorpus('c');
    const controller = new AbortController();
    let ended = false;
    async function* endless() {
      try {
        for (;;) yield { text: 'x'.repeat(1_000) };
      } finally {
        ended = true;
      }
    }
    const call = client.ingest('c', endless(), {
      signal: controller.signal,
      onUpload: ({ documents }) => documents > 500 && controller.abort(),
    });
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    await expect.poll(() => ended).toBe(true);
    expect(server.jobs.size).toBe(0);
  });

  it('throws what the source of the documents threw', async () => {
    const client = clientFor();
    await client.putCorpus('c');
    const lost = new Error('disk gone');
    async function* failing() {
      yield { text: 'x' };
      throw lost;
    }
    await expect(client.ingest('c', failing())).rejects.toBe(lost);
    expect(server.jobs.size).toBe(0);
  });

  it('waits for a job through a short outage', async () => {
    const client = clientFor({ retries: 0 });
    await client.putCorpus('c');
    const { id } = await client.ingest('c', [{ text: 'x' }]);
    server.faults.push({ on: 'GET /v1/jobs', hangUp: true }, { on: 'GET /v1/jobs', hangUp: true });
    expect((await client.waitForJob(id)).status).toBe('completed');
  });

  it('ends a wait at its deadline', async () => {
    server.jobReads = Infinity;
    const client = clientFor();
    await client.putCorpus('c');
    await expect(client.ingest('c', [{ text: 'x' }], { wait: true, timeoutMs: 300 })).rejects.toMatchObject({ name: 'RerankTimeoutError' });
  });

  it('knows an answer that is not of this API', async () => {
    server.faults.push({ on: 'GET /v1/models', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' });
    await expect(clientFor().listModels()).rejects.toMatchObject({
      code: 'unexpected_answer',
      detail: expect.stringContaining('not JSON') as string,
    });
    server.faults.push({ on: 'GET /v1/models', status: 200, body: '{"data":1}' });
    await expect(clientFor().listModels()).rejects.toMatchObject({
      code: 'unexpected_answer',
      detail: expect.stringContaining('object:') as string,
    });
  });

  it('reads the refusal of an upload that the service did not read to its end', async () => {
    const [, tooLarge] = problem('payload_too_large', 'Split the upload.');
    server.faults.push({ on: 'POST /v1/corpora', status: 413, body: JSON.stringify(tooLarge) });
    async function* documents() {
      for (let row = 0; row < 2_000; row += 1) yield { text: 'x'.repeat(1_000) };
    }
    await expect(clientFor().ingest('c', documents())).rejects.toMatchObject({ code: 'payload_too_large' });
  });
});
