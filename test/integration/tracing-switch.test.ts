import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@rerank-fleet/core/config';
import { inNewWork, openTracing } from '@rerank-fleet/core/observability';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OtlpReceiver } from '../support/otlp-receiver.js';
import { startTestStack } from '../support/stack.js';
import { writeTinyModel } from '../support/tiny-models/index.js';

const RECORDER = new URL('tracing-programs/record-modules.ts', import.meta.url).href;

let root: string;
let models: { RERANK_MODELS: string; EMBEDDING_MODEL: string };

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-tracing-'));
  models = { RERANK_MODELS: join(root, 'reranker'), EMBEDDING_MODEL: join(root, 'embedder') };
  await writeTinyModel(models.RERANK_MODELS, { kind: 'cross-encoder', layout: 'bert' });
  await writeTinyModel(models.EMBEDDING_MODEL, { kind: 'embedder', layout: 'bert' });
});
afterAll(() => rm(root, { recursive: true }));

/** A port of this machine that nobody listens on. */
async function deafPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** What a stack of these settings answered to one call, which packages of OpenTelemetry its processes loaded. */
async function callOnce(name: string, environment: Readonly<Record<string, string>>) {
  const file = join(root, name);
  const stack = await startTestStack({ environment: { ...models, NODE_OPTIONS: `--import ${RECORDER}?to=${file}`, ...environment } });
  try {
    const answer = await stack.client.rerank({ query: 'prune', documents: ['apple tree', 'pie'] });
    const loaded = await readFile(file, 'utf8').catch(() => '');
    return { results: answer.results.length, loaded: new Set(loaded.split('\n').filter((line) => line !== '')) };
  } finally {
    await stack.stop();
  }
}

describe('tracing', () => {
  it('is not even loaded where no receiver is configured', async () => {
    const { results, loaded } = await callOnce('off', {});
    expect(results).toBe(2);
    // The API of OpenTelemetry is a page of interfaces, and prom-client brings it anyway.
    expect([...loaded]).toEqual(['@opentelemetry/api']);
  });

  it('is not loaded where it is disabled, whatever else is set', async () => {
    const { loaded } = await callOnce('disabled', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_SDK_DISABLED: 'true' });
    expect([...loaded]).toEqual(['@opentelemetry/api']);
  });

  it('has no effect on answers while the receiver is away', async () => {
    const { results, loaded } = await callOnce('away', { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await deafPort()}` });
    expect(results).toBe(2);
    expect(loaded).toContain('@opentelemetry/sdk-trace');
  });

  it('keeps a bounded number of spans for a receiver that is away, and says once that some were lost', async () => {
    const port = await deafPort();
    const { tracing: config } = loadConfig({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${port}/v1/traces` });
    const warnings: unknown[] = [];
    const logger = { info: () => undefined, warn: (line: unknown) => void warnings.push(line) };
    const tracing = await openTracing({ config, process: 'test', version: '1', logger });
    for (let made = 0; made < 20_000; made += 1) await inNewWork('step', {}, {}, async () => undefined);
    // The first 512 are given up, and dropping the others is told at most once a minute, too.
    await expect.poll(() => warnings.length, { timeout: 30_000 }).toBe(1);
    const receiver = await OtlpReceiver.start(port);
    await tracing.close();
    await receiver.close();
    expect(receiver.spans.length).toBeGreaterThan(0);
    expect(receiver.spans.length).toBeLessThanOrEqual(4_096 + 512);
    expect(receiver.spans[0]).toMatchObject({ name: 'step', service: 'rerank-fleet-test' });
  });
});
