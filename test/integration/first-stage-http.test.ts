import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createTlsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openFirstStages } from '@rerank-fleet/core/adapters/external/open-first-stages';
import type { Candidate, JsonValue } from '@rerank-fleet/core/domain';
import type { FirstStage, FirstStageRequest } from '@rerank-fleet/core/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { versionOf } from '../conformance/search-engine-fixtures.js';
import { answering, ScriptedServer } from '../support/scripted-server.js';
import { connectionsOf } from '../support/search-engines.js';

const REQUEST: FirstStageRequest = { query: 'apple', mode: 'hybrid', limit: 3 };
const candidate = (id: string, more: Readonly<Record<string, unknown>> = {}) => ({
  document_id: id,
  text: `text of ${id}`,
  score: 1,
  ...more,
});
const found = (...ids: string[]) => answering(200, { candidates: ids.map((id) => candidate(id)) });

let server: ScriptedServer;
const open: FirstStage[] = [];
beforeEach(async () => {
  server = await ScriptedServer.start();
});
afterEach(async () => {
  for (const stage of open.splice(0)) stage.close();
  await server.stop();
});

function stageOf(connection: Readonly<Record<string, unknown>> = {}): FirstStage {
  const stage = openFirstStages(connectionsOf({ name: 'mine', kind: 'http', url: `${server.url}/retrieve`, ...connection }));
  open.push(stage);
  return stage;
}

const retrieve = (
  stage: FirstStage,
  request: FirstStageRequest = REQUEST,
  options: Readonly<Record<string, JsonValue>> = {},
): Promise<readonly Candidate[]> => stage.retrieve(versionOf(stage.settle('default', { connection: 'mine', options })), request);

const expectRejection = async (answer: Promise<unknown>, code: string, detail: RegExp): Promise<void> => {
  await expect(answer).rejects.toMatchObject({ code, detail: expect.stringMatching(detail) as string });
};

describe('an HTTP retriever', () => {
  it('is asked as the page says, with credentials and trace', async () => {
    server.answers = [found('a')];
    const stage = stageOf({ api_key: 'a-key', headers: { 'X-Team': 'search' } });
    await retrieve(stage, {
      ...REQUEST,
      requestId: 'request-1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    expect(server.requests).toEqual([
      {
        path: '/retrieve',
        headers: expect.objectContaining({
          authorization: 'Bearer a-key',
          'x-team': 'search',
          'x-request-id': 'request-1',
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        }) as object,
        body: { query: 'apple', mode: 'hybrid', top_k: 3, corpus: 'garden', tenant: 'default', request_id: 'request-1' },
      },
    ]);
  });

  it('gets the vector, the filter and the parameters of the corpus', async () => {
    server.answers = [found('a')];
    const filter = { must: [{ key: 'year', match: { value: 2021 } }] };
    await retrieve(
      stageOf(),
      { ...REQUEST, filter, dense: new Float32Array([0.5, -1]) },
      { filters: true, embed_query: true, parameters: { shelf: 'b' } },
    );
    expect(server.requests[0]?.body).toMatchObject({ filter, vector: [0.5, -1], parameters: { shelf: 'b' } });
  });

  it('gives candidates in the order of the answer, each passage once, no more than asked for', async () => {
    const passage = { index: 2, start: 10, end: 17 };
    server.answers = [
      answering(200, {
        took: 3,
        candidates: [
          candidate('a', { score: 0.5, title: 'A', metadata: { year: 2021 }, passage, text: 'a 🐸 b' }),
          candidate('b', { score: 0.9, text: 'a 🐸 b', title: null, passage: null }),
          candidate('a', { passage }),
          candidate('a'),
          candidate('c'),
        ],
      }),
    ];
    expect(await retrieve(stageOf())).toEqual([
      {
        documentId: 'a',
        passage: { ...passage, text: 'a 🐸 b' },
        title: 'A',
        metadata: { year: 2021 },
        firstStage: { score: 0.5, rank: 1 },
      },
      { documentId: 'b', passage: { index: 0, start: 0, end: 5, text: 'a 🐸 b' }, firstStage: { score: 0.9, rank: 2 } },
      { documentId: 'a', passage: { index: 0, start: 0, end: 9, text: 'text of a' }, firstStage: { score: 1, rank: 3 } },
    ]);
  });

  it('may find nothing', async () => {
    server.answers = [found()];
    expect(await retrieve(stageOf())).toEqual([]);
  });

  it('is not asked to filter where its corpus does not say that it can', async () => {
    await expect(retrieve(stageOf(), { ...REQUEST, filter: { must: [] } })).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer: '/filter' }],
    });
    expect(server.requests).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ['no candidates', {}, /candidates/],
    ['a score that is no number', '{"candidates":[{"document_id":"a","text":"t","score":1e999}]}', /candidates\.0\.score/],
    ['a score that is missing', { candidates: [{ document_id: 'a', text: 't' }] }, /candidates\.0\.score/],
    ['a blank text', { candidates: [candidate('a'), candidate('b', { text: ' \n' })] }, /candidates\.1\.text/],
    ['an id that is a number', { candidates: [candidate('a', { document_id: 7 })] }, /document_id/],
    ['a span that ends before it starts', { candidates: [candidate('a', { passage: { index: 0, start: 5, end: 4 } })] }, /passage/],
    ['metadata that is a list', { candidates: [candidate('a', { metadata: [] })] }, /metadata/],
    ['half a JSON text', '{"candidates":[', /not JSON/],
    ['HTML', '<html>It works!</html>', /not JSON/],
  ])('is refused as a whole for %s', async (_, body, detail) => {
    server.answers = [answering(200, body)];
    await expectRejection(retrieve(stageOf()), 'candidate_store_unavailable', detail);
    expect(server.requests).toHaveLength(1);
  });

  it.each<[number, string, RegExp]>([
    [400, 'invalid_request', /"mine" refused the search: no such shelf\.$/],
    [422, 'invalid_request', /no such shelf/],
    [401, 'candidate_store_unavailable', /credentials.*RETRIEVERS/],
    [403, 'candidate_store_unavailable', /credentials/],
    [404, 'corpus_not_found', /"garden"/],
    [500, 'candidate_store_unavailable', /status 500/],
    [301, 'candidate_store_unavailable', /redirect/],
  ])('answers %i: %s, at once', async (status, code, detail) => {
    server.answers = [answering(status, { message: 'no such shelf' }, { location: `${server.url}/elsewhere` })];
    await expectRejection(retrieve(stageOf()), code, detail);
    expect(server.requests.map(({ path }) => path)).toEqual(['/retrieve']);
  });

  it.each([429, 502, 503, 504])('is asked again after %i', async (status) => {
    server.answers = [answering(status, {}), answering(status, 'busy'), found('a')];
    expect(await retrieve(stageOf())).toHaveLength(1);
    expect(server.requests).toHaveLength(3);
  });

  it('is given up after three busy answers', async () => {
    server.answers = [answering(503, {})];
    await expectRejection(retrieve(stageOf()), 'candidate_store_unavailable', /status 503/);
    expect(server.requests).toHaveLength(3);
  });

  it('is not waited for beyond its time', async () => {
    server.answers = [answering(429, {}, { 'retry-after': '30' })];
    await expect(retrieve(stageOf({ timeout_ms: 400 }))).rejects.toMatchObject({ code: 'candidate_store_unavailable', retryAfterS: 30 });
    expect(server.requests).toHaveLength(1);
  });

  it('times out where it is silent, and where it drips', async () => {
    server.answers = [() => undefined];
    await expectRejection(retrieve(stageOf({ timeout_ms: 150 })), 'candidate_store_unavailable', /within 150 ms/);
    server.answers = [
      (response) => {
        const timer = setInterval(() => response.write(' '), 10);
        response.on('close', () => clearInterval(timer));
      },
    ];
    await expectRejection(retrieve(stageOf({ timeout_ms: 150 })), 'candidate_store_unavailable', /within 150 ms/);
  });

  it('is left when the request is given up', async () => {
    const reason = new Error('nobody waits');
    const controller = new AbortController();
    server.answers = [() => controller.abort(reason)];
    await expect(retrieve(stageOf(), { ...REQUEST, signal: controller.signal })).rejects.toBe(reason);
    await expect(retrieve(stageOf(), { ...REQUEST, signal: controller.signal })).rejects.toBe(reason);
    expect(server.requests).toHaveLength(1);
  });

  it('is cut off where its answer is too long', async () => {
    let written = 0;
    server.answers = [
      (response) => {
        const more = (): void => {
          while (response.writable && response.write('x'.repeat(65_536))) written += 65_536;
        };
        response.on('drain', more).on('error', () => undefined);
        more();
      },
    ];
    await expectRejection(retrieve(stageOf({ max_response_bytes: 100_000 })), 'candidate_store_unavailable', /more than 100000 bytes/);
    expect(written).toBeLessThan(50_000_000);
    expect(server.requests).toHaveLength(1);
  });

  it('is asked again where its answer was cut', async () => {
    server.answers = [
      (response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"candidates":[', () => response.destroy());
      },
      (response) => void response.destroy(),
      found('a'),
    ];
    expect(await retrieve(stageOf())).toHaveLength(1);
  });

  it('is unavailable where nobody listens', async () => {
    const stage = stageOf();
    await server.stop();
    await expectRejection(retrieve(stage), 'candidate_store_unavailable', /cannot be reached/);
    server = await ScriptedServer.start();
  });

  it('is asked over connections that stay open', async () => {
    server.answers = [found('a')];
    const stage = stageOf();
    for (let turn = 0; turn < 5; turn += 1) await retrieve(stage);
    expect(server.connections).toBe(1);
  });
});

describe('docs/retrievers.md', () => {
  const schemaOf = async (name: string): Promise<z.ZodType> => {
    const page = await readFile(new URL('../../docs/retrievers.md', import.meta.url), 'utf8');
    const [, text] = new RegExp(`^\`\`\`json ${name}\\n(.*?)^\`\`\``, 'ms').exec(page)!;
    return z.fromJSONSchema(JSON.parse(text!) as Parameters<typeof z.fromJSONSchema>[0]);
  };

  it('has the request that is sent', async () => {
    server.answers = [found('a')];
    const filter = { must: [{ key: 'year', match: { value: 2021 } }] };
    const whole = { ...REQUEST, filter, dense: new Float32Array([1]), requestId: 'r' };
    await retrieve(stageOf(), whole, { filters: true, embed_query: true, parameters: {} });
    await retrieve(stageOf());
    const schema = await schemaOf('request');
    for (const { body } of server.requests) expect(schema.safeParse(body).error).toBeUndefined();
    expect(schema.safeParse({ ...server.requests[0]?.body, more: 1 }).success).toBe(false);
  });

  it.each<[boolean, object]>([
    [true, candidate('a')],
    [true, candidate('a', { title: null, passage: { index: 0, start: 0, end: 0 }, metadata: { deep: [null] }, more: 1 })],
    [false, candidate('')],
    [false, candidate('a'.repeat(513))],
    [false, candidate('a', { text: ' ' })],
    [false, candidate('a', { score: '1' })],
    [false, candidate('a', { title: 1 })],
    [false, candidate('a', { passage: { index: 0, start: 0 } })],
    [false, candidate('a', { passage: { index: 0.5, start: 0, end: 0 } })],
    [false, candidate('a', { metadata: 'x' })],
  ])('takes (%s) the candidates that are taken: %j', async (isTaken, only) => {
    server.answers = [answering(200, { candidates: [only] })];
    expect((await schemaOf('response')).safeParse({ candidates: [only] }).success).toBe(isTaken);
    expect(
      await retrieve(stageOf()).then(
        () => true,
        () => false,
      ),
    ).toBe(isTaken);
  });
});

describe('a connection', () => {
  it('is only for the tenants that it names', async () => {
    const stage = stageOf({ tenants: ['acme'] });
    const source = { connection: 'mine', options: {} };
    const detail = 'names a connection, and none is configured for you (RETRIEVERS)';
    expect(() => stage.settle('default', source)).toThrow(
      expect.objectContaining({ errors: [{ pointer: '/source/connection', detail }] }) as Error,
    );
    await expectRejection(
      stage.retrieve(versionOf(stage.settle('acme', source)), REQUEST),
      'candidate_store_unavailable',
      /not configured for you/,
    );
    server.answers = [found('a')];
    expect(await stage.retrieve(versionOf(stage.settle('acme', source), 'acme'), REQUEST)).toHaveLength(1);
  });

  it('that is gone is an outage, as another worker may have it', async () => {
    await expectRejection(
      stageOf().retrieve(versionOf({ connection: 'other', options: {} }), REQUEST),
      'candidate_store_unavailable',
      /"other".*RETRIEVERS/,
    );
  });

  it('gives settled options in one order, with their defaults', () => {
    const settle = (options: Readonly<Record<string, JsonValue>>): string =>
      JSON.stringify(stageOf().settle('default', { connection: 'mine', options }));
    expect(settle({ parameters: { b: 1, a: [{ d: 1, c: 2 }] } })).toBe(
      '{"connection":"mine","options":{"embed_query":false,"filters":false,"parameters":{"a":[{"c":2,"d":1}],"b":1}}}',
    );
  });

  it('trusts the certificate that it is told to, and no other', async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'rerank-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const wanted = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const made = await promisify(execFile)('openssl', [
      ...wanted,
      ...['-keyout', key, '-out', cert, '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ]).catch(() => undefined);
    context.skip(made === undefined, 'there is no openssl to make a certificate with');
    const pair = { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
    const tls = await ScriptedServer.start((listener) => createTlsServer(pair, listener));
    try {
      tls.answers = [found('a')];
      const url = `https://${tls.authority}`;
      await expectRejection(retrieve(stageOf({ url })), 'candidate_store_unavailable', /cannot be reached/);
      expect(tls.requests).toEqual([]);
      for (const trust of [{ ca: cert }, { ca: pair.cert }, { insecure: true }])
        expect(await retrieve(stageOf({ url, ...trust }))).toHaveLength(1);
    } finally {
      await tls.stop();
      await rm(folder, { recursive: true });
    }
  });
});
