import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.js';
import { PrometheusClient, type PrometheusExemplar } from '../support/prometheus-client.js';
import { hasProgram, PrometheusServer } from '../support/prometheus-server.js';
import { startTestStack, type TestStack } from '../support/stack.js';
import { TINY_FAULTS, writeTinyModel } from '../support/tiny-models/index.js';

/** Words that only texts and queries hold. */
const MARKS = ['xylomarkdoc', 'xylomarkquery', 'xylomarkrow'] as const;
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
const API = 'rerank-fleet-api';
const WORKER = 'rerank-fleet-worker';
const HOOK_SECRET = 'whsec_c2VjcmV0LW9mLXRlc3RzLW9ubHk=';

let root: string;
let receiver: OtlpReceiver;
let stack: TestStack;
let models: { RERANK_MODELS: string; EMBEDDING_MODEL: string };

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-tracing-'));
  models = { RERANK_MODELS: join(root, 'reranker'), EMBEDDING_MODEL: join(root, 'embedder') };
  await writeTinyModel(models.RERANK_MODELS, { kind: 'cross-encoder', layout: 'bert' });
  await writeTinyModel(models.EMBEDDING_MODEL, { kind: 'embedder', layout: 'bert' });
  receiver = await OtlpReceiver.start();
  stack = await startTestStack({
    environment: {
      ...models,
      LOG_LEVEL: 'trace',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-receiver-key=a%20key',
      WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
    },
    stack: { opsPort: 0 },
  });
  await stack.client.putCorpus('garden', {});
  const documents = ['prune the apple tree', 'bake an apple pie', 'water the tree'].map((text, at) => ({
    id: `d${at}`,
    text: `${MARKS[0]} ${text}`,
  }));
  await stack.client.ingest('garden', documents, { wait: true });
}, 120_000);
afterAll(async () => {
  await stack.stop();
  await receiver.close();
  await rm(root, { recursive: true });
});

const arrived = (what: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan> =>
  expect
    .poll(() => receiver.spans.find(what), { timeout: 20_000 })
    .toBeDefined()
    .then(() => receiver.spans.find(what)!);

function search(more: object = {}): Promise<Response> {
  return fetch(`${stack.url}/v1/search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent: `00-${TRACE}-${CALLER}-01`, 'x-request-id': 'traced-1' },
    body: JSON.stringify({ corpus: 'garden', query: `${MARKS[1]} prune`, top_k: 3, ...more }),
  });
}

/** Of the API and of the worker. */
const opsUrls = (): string[] => [...stack.said().matchAll(/[Mm]etrics and probes .* url=(http:\S+)/g)].map(([, url]) => url!);

/** `parent > child`, of each span of a trace, with what is below it. */
function pathsOf(spans: readonly ReceivedSpan[]): ReadonlySet<string> {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const pathOf = (span: ReceivedSpan): string => {
    const parent = byId.get(span.parentSpanId ?? '');
    return parent === undefined ? span.name : `${pathOf(parent)} > ${span.name}`;
  };
  return new Set(spans.map(pathOf));
}

describe('a traced search', () => {
  it('shows every step, from the caller’s span through the queue into the threads', async () => {
    expect((await search()).status).toBe(200);
    await arrived(({ traceId, name }) => traceId === TRACE && name === 'POST /v1/search');
    await arrived(({ traceId, name }) => traceId === TRACE && name === 'process task');
    const spans = receiver.trace(TRACE);
    const server = spans.find(({ name }) => name === 'POST /v1/search')!;
    expect(server).toMatchObject({ parentSpanId: CALLER, service: API, kind: 2 });
    expect(server.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/v1/search',
      'http.response.status_code': 200,
      'rerank.request_id': 'traced-1',
    });
    const step = (path: string): string => `POST /v1/search > enqueue > process task > ${path}`;
    expect([...pathsOf(spans)]).toEqual(
      expect.arrayContaining([
        'POST /v1/search > admit',
        'POST /v1/search > await result',
        'POST /v1/search > enqueue',
        'POST /v1/search > enqueue > queue wait',
        step('retrieve'),
        step('retrieve > embed query > tokenize > text thread'),
        step('retrieve > embed query > batch > inference thread'),
        step('retrieve > query candidate store'),
        step('score'),
        step('score > tokenize > text thread'),
        step('score > planner wait'),
        step('score > batch > inference thread'),
        step('rank'),
        step('publish'),
      ]),
    );
  });

  it('says what each stage and batch was, and when', () => {
    const spans = receiver.trace(TRACE);
    const one = (name: string, parent?: string): ReceivedSpan =>
      spans.find(
        (span) => span.name === name && (parent === undefined || spans.find(({ spanId }) => spanId === span.parentSpanId)?.name === parent),
      )!;
    expect(one('score').attributes).toMatchObject({
      'rerank.model': 'reranker',
      'rerank.stage': 1,
      'rerank.pairs': 3,
      'rerank.effort': 'full',
    });
    expect(one('batch', 'score').attributes).toMatchObject({
      'rerank.model': 'reranker',
      'rerank.batch.pairs': expect.any(Number) as number,
    });
    expect(one('retrieve').attributes).toMatchObject({ 'rerank.corpus': 'garden', 'rerank.top_k': 3 });
    const [queued, wait, task] = [one('enqueue'), one('queue wait'), one('process task')];
    expect([queued.service, wait.service, task.service]).toEqual([API, WORKER, WORKER]);
    for (const span of spans) expect(span.end).toBeGreaterThanOrEqual(span.start);
    for (const name of ['text thread', 'inference thread']) {
      for (const inner of spans.filter((span) => span.name === name)) {
        const outer = spans.find(({ spanId }) => spanId === inner.parentSpanId)!;
        expect(inner.start).toBeGreaterThanOrEqual(outer.start - 0.01);
        expect(inner.end).toBeLessThanOrEqual(outer.end + 0.01);
      }
    }
  });

  it('has the code of what went wrong, and no more', async () => {
    const trace = TRACE.replace('0af7', '1bf7');
    const answer = await fetch(`${stack.url}/v1/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${trace}-${CALLER}-01` },
      body: JSON.stringify({ corpus: 'garden', query: `${MARKS[1]} tree `.repeat(600), top_k: 3 }),
    });
    expect(answer.status).toBe(422);
    const task = await arrived(({ traceId, name }) => traceId === trace && name === 'process task');
    expect(task).toMatchObject({ status: { code: 2, message: 'query_too_long' }, attributes: { 'error.type': 'query_too_long' } });
  });

  it('is not recorded where the caller says so', async () => {
    const trace = TRACE.replace('0af7', '2cf7');
    const headers = { 'content-type': 'application/json', traceparent: `00-${trace}-${CALLER}-00` };
    const body = JSON.stringify({ query: 'q', documents: ['apple'] });
    expect((await fetch(`${stack.url}/v1/rerank`, { method: 'POST', headers, body })).status).toBe(200);
    const later = TRACE.replace('0af7', '3df7');
    await fetch(`${stack.url}/v1/rerank`, { method: 'POST', headers: { ...headers, traceparent: `00-${later}-${CALLER}-01` }, body });
    await arrived(({ traceId, name }) => traceId === later && name === 'process task');
    expect(receiver.trace(trace)).toEqual([]);
  });
});

describe('a traced batch job', () => {
  it('has traces of its slices and of its webhook, linked to its submission', async () => {
    const calls: string[] = [];
    const hook = createServer((request, response) => {
      calls.push(request.url ?? '');
      request.resume();
      response.end();
    });
    await once(hook.listen(0, '127.0.0.1'), 'listening');
    const rows = Array.from({ length: 20 }, (_, at) => ({
      custom_id: `r${at}`,
      query: `${MARKS[2]} prune`,
      documents: ['apple', `${MARKS[0]} tree`],
    }));
    const job = await stack.client.submitJob({
      requests: rows,
      webhook: { url: `http://127.0.0.1:${(hook.address() as AddressInfo).port}/hook`, secret: HOOK_SECRET },
    });
    await stack.client.waitForJob(job.id);
    await expect.poll(() => calls.length, { timeout: 20_000 }).toBe(1);
    const submission = await arrived(({ name, start }) => name === 'POST /v1/jobs' && start > 0);
    const slice = await arrived(({ name, attributes }) => name === 'process slice' && attributes['rerank.job'] === job.id);
    const webhook = await arrived(({ name, attributes }) => name === 'webhook' && attributes['rerank.job'] === job.id);
    hook.close();
    const link = { traceId: submission.traceId, spanId: submission.spanId };
    expect([slice.links, webhook.links]).toEqual([[link], [link]]);
    expect(slice.traceId).not.toBe(submission.traceId);
    expect(webhook.attributes).toMatchObject({ 'rerank.webhook.outcome': 'delivered', 'http.response.status_code': 200 });
    const spans = receiver.trace(slice.traceId);
    expect(spans.filter(({ name }) => name === 'row')).toHaveLength(16);
    expect([...pathsOf(spans)]).toEqual(
      expect.arrayContaining([
        'process slice > queue wait',
        'process slice > row > score > tokenize > text thread',
        'process slice > row > score > batch > inference thread',
        'process slice > row > rank',
        'process slice > write results',
        'process slice > commit',
      ]),
    );
    expect(slice.attributes).toMatchObject({ 'rerank.job.rows': 20, 'rerank.pairs': 40 });
  });
});

describe('an upload', () => {
  it('has traces of its slices, linked to it', async () => {
    const slice = await arrived(({ name, attributes }) => name === 'process task' && attributes['rerank.task.kind'] === 'ingest');
    const upload = await arrived(({ name }) => name === 'POST /v1/corpora/:name/documents');
    expect(slice.links).toEqual([{ traceId: upload.traceId, spanId: upload.spanId }]);
    expect([...pathsOf(receiver.trace(slice.traceId))]).toEqual(
      expect.arrayContaining([
        'process task > queue wait',
        'process task > write documents',
        'process task > embed passages > batch > inference thread',
        'process task > write passages',
      ]),
    );
  });
});

describe('what is said', () => {
  it('is sent to the receiver with the headers of the configuration', () => {
    expect(receiver.headers[0]).toMatchObject({ path: '/v1/traces', 'x-receiver-key': 'a key', 'content-type': 'application/json' });
  });

  it('names requests, tasks and traces on the lines of their work', async () => {
    const trace = TRACE.replace('0af7', '4ef7');
    const answer = await fetch(`${stack.url}/v1/rerank`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${trace}-${CALLER}-01`, 'x-request-id': 'failing-1' },
      body: JSON.stringify({ query: `${MARKS[1]} prune`, documents: [`${MARKS[0]} ${TINY_FAULTS.notANumber}`] }),
    });
    expect(answer.status).toBe(500);
    await arrived(({ traceId, name }) => traceId === trace && name === 'process task');
    const lines = (process: string): string[] =>
      stack
        .said()
        .split('\n')
        .filter((line) => line.includes(process) && line.includes('request_id=failing-1'));
    expect(lines('api')).toHaveLength(1);
    expect(lines('worker')).toHaveLength(1);
    for (const line of [...lines('api'), ...lines('worker')]) expect(line).toContain(`trace_id=${trace}`);
    expect(lines('worker')[0]).toMatch(/task_id=[0-9a-f-]{36}/);
  });

  it('holds no text, neither spans nor logs, down to the finest level', () => {
    expect(receiver.spans.length).toBeGreaterThan(50);
    expect(stack.said()).toContain('DEBUG');
    for (const mark of MARKS) {
      expect(receiver.bodies.join()).not.toContain(mark);
      expect(stack.said()).not.toContain(mark);
    }
  });

  it('is an example in the buckets of metrics, for scrapers that can read it', async () => {
    const urls = opsUrls();
    expect(urls).toHaveLength(2);
    const scraped = await Promise.all(
      urls.map((url) => fetch(`${url}/metrics`, { headers: { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' } })),
    );
    const text = (await Promise.all(scraped.map((answer) => answer.text()))).join('');
    for (const answer of scraped) expect(answer.headers.get('content-type')).toContain('application/openmetrics-text');
    for (const metric of ['http_request_duration', 'task_duration', 'model_run'])
      expect(text).toMatch(new RegExp(`rerank_fleet_${metric}_seconds_bucket\\{.* # \\{trace_id="[0-9a-f]{32}",span_id="[0-9a-f]{16}"\\}`));
    const plain = await fetch(`${urls[0]!}/metrics`);
    expect(plain.headers.get('content-type')).toContain('text/plain');
    expect(await plain.text()).not.toContain('trace_id');
  });

  it('leads from a real Prometheus to the trace', async (context) => {
    context.skip(!hasProgram('prometheus'), 'prometheus is not on PATH');
    await search();
    const [api = '', worker = ''] = opsUrls().map((url) => new URL(url).host);
    const server = await PrometheusServer.start({
      targets: { 'rerank-fleet-api': [api], 'rerank-fleet-worker': [worker] },
      scrapeInterval: '1s',
    });
    const client = new PrometheusClient(server.url);
    const stored = (metric: string): Promise<readonly PrometheusExemplar[]> =>
      client.exemplars(`rerank_fleet_${metric}_seconds_bucket`, { start: Date.now() / 1_000 - 3_600, end: Date.now() / 1_000 + 60 });
    try {
      for (const metric of ['http_request_duration', 'task_duration', 'model_run']) {
        await expect.poll(() => stored(metric), { timeout: 20_000 }).not.toEqual([]);
        const traces = (await stored(metric)).map(({ labels }) => labels['trace_id']);
        for (const trace of traces) await arrived(({ traceId }) => traceId === trace);
      }
    } finally {
      await server.stop();
    }
  });
});
