import { connect } from 'node:net';
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.js';
import { expectProblem, type ExpectedProblem } from './problem.js';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const TEN_MB = 10 * 1024 * 1024;
const CLEAN = { id: 'clean', text: 'A clean document.' };

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ environment: { MAX_BODY_BYTES: String(MAX_BODY_BYTES), MAX_INGEST_BYTES: String(2 * TEN_MB) } });
  await stack.client.putCorpus('notes');
  await stack.client.ingest('notes', [CLEAN], { wait: true });
});

afterAll(() => stack.stop());

/** Whatever was sent: the service still answers, and the corpus is as it was. */
afterEach(async () => {
  expect(await stack.client.getCorpus('notes')).toMatchObject({ documents: 1, passages: 1 });
  expect((await stack.client.rerank({ query: 'clean', documents: ['a clean text'] })).results).toHaveLength(1);
});

type Body = string | Uint8Array<ArrayBuffer>;

function post(path: string, body: Body, contentType = 'application/json', headers: Record<string, string> = {}): Promise<Response> {
  return fetch(stack.url + path, { method: 'POST', headers: { 'content-type': contentType, ...headers }, body });
}

const rerank = (body: unknown): Promise<Response> => post('/v1/rerank', typeof body === 'string' ? body : JSON.stringify(body));
const search = (body: unknown): Promise<Response> => post('/v1/search', JSON.stringify(body));
const ndjson = (body: Body): Promise<Response> => post('/v1/corpora/notes/documents?wait=true', body, 'application/x-ndjson');

describe('/v1/rerank', () => {
  it.each<[string, unknown, string[], RegExp]>([
    ['an empty query', { query: '', documents: ['a'] }, ['/query'], /must not be empty/],
    ['a blank query', { query: ' \n\t ', documents: ['a'] }, ['/query'], /must not be empty/],
    ['no query', { documents: ['a'] }, ['/query'], /is required/],
    ['no documents', { query: 'q', documents: [] }, ['/documents'], /at least one document/],
    ['an empty document', { query: 'q', documents: ['a', ''] }, ['/documents/1'], /must not be empty/],
    ['a document without text', { query: 'q', documents: [{ title: 'a' }] }, ['/documents/0/text'], /is required/],
    ['a query that is a number', { query: 7, documents: ['a'] }, ['/query'], /must be a string/],
    ['documents that are a string', { query: 'q', documents: 'a' }, ['/documents'], /must be an array/],
    ['a document that is a number', { query: 'q', documents: ['a', 3] }, ['/documents/1'], /must be/],
    ['top_n of zero', { query: 'q', documents: ['a'], top_n: 0 }, ['/top_n'], /1/],
    ['top_n that is a fraction', { query: 'q', documents: ['a'], top_n: 1.5 }, ['/top_n'], /whole number/],
    ['a query beyond its length', { query: 'q'.repeat(32_769), documents: ['a'] }, ['/query'], /32,768/],
  ])('refuses %s and names the field', async (_, body, pointers, detail) => {
    await expectProblem(await rerank(body), { code: 'invalid_request', pointers, detail });
  });

  it.each<[string, string | unknown[]]>([
    ['no body', ''],
    ['null', 'null'],
    ['an array', '[]'],
    ['a string', '"query"'],
    ['JSON that ends too early', '{"query":"q","documents":["a"'],
    ['JSON with a trailing comma', '{"query":"q","documents":["a",]}'],
    ['nesting of a hundred thousand levels', '['.repeat(100_000) + ']'.repeat(100_000)],
  ])('refuses %s as a body', async (_, body) => {
    await expectProblem(await rerank(body), { code: 'invalid_request' });
  });

  it.each([
    ['a NUL in an escape', String.raw`{"query":"a\u0000b","documents":["a"]}`],
    ['a lone high surrogate in an escape', String.raw`{"query":"q","documents":["a \ud83d b"]}`],
    ['a lone low surrogate in an escape', String.raw`{"query":"q","documents":["a \ude00 b"]}`],
    ['a lone surrogate in a key', String.raw`{"query":"q","documents":[{"text":"a","\ud83d":1}]}`],
  ])('refuses %s and says what to send', async (_, body) => {
    await expectProblem(await rerank(body), { code: 'invalid_request', detail: /well-formed Unicode/ });
  });

  it.each([
    ['a raw NUL', Buffer.from('{"query":"a\0b","documents":["a"]}')],
    [
      'a surrogate in UTF-8',
      Buffer.concat([Buffer.from('{"query":"'), Buffer.from([0xed, 0xa0, 0xbd]), Buffer.from('","documents":["a"]}')]),
    ],
    [
      'bytes that are not UTF-8',
      Buffer.concat([Buffer.from('{"query":"'), Buffer.from([0xff, 0xfe]), Buffer.from('","documents":["a"]}')]),
    ],
  ])('refuses %s', async (_, body) => {
    await expectProblem(await post('/v1/rerank', new Uint8Array(body)), { code: 'invalid_request' });
  });

  it('scores any other text: emoji, right to left, combining, control characters and byte order marks', async () => {
    const documents = [
      '👩‍👩‍👧‍👦 family',
      'שלום עולם',
      'e\u0301\u0301\u0301',
      '\u0001\u0007\u007f',
      '\ufeff',
      '𝔘𝔫𝔦𝔠𝔬𝔡𝔢',
      'ﷺ',
      'x'.repeat(100_000),
    ].filter((text) => text.trim() !== '');
    const { results } = await stack.client.rerank({ query: '🙂', documents });
    expect(results.map(({ index }) => index).toSorted()).toEqual(documents.map((_, index) => index));
    for (const { relevance_score } of results) expect(Number.isFinite(relevance_score)).toBe(true);
  });

  it('names an unknown model', async () => {
    await expectProblem(await rerank({ model: 'no-such-model', query: 'q', documents: ['a'] }), {
      code: 'model_not_found',
      detail: /GET \/v1\/models/,
    });
    await expectProblem(await rerank({ model: 'bge-small-en-v1.5', query: 'q', documents: ['a'] }), { code: 'model_not_found' });
  });

  it('refuses more documents than it takes', async () => {
    const documents = Array<string>(1_001).fill('a');
    await expectProblem(await rerank({ query: 'q', documents }), {
      code: 'too_many_documents',
      detail: /at most 1000/,
      pointers: ['/documents'],
    });
  });

  it('takes a body of 10 MB', async () => {
    const documents = Array.from({ length: 10 }, () => 'word '.repeat(TEN_MB / 50));
    const { results } = await stack.client.rerank({ query: 'word', documents, explain: true });
    expect(results).toHaveLength(10);
    for (const { truncated } of results) expect(truncated).toBe(true);
  });

  it('refuses a body beyond MAX_BODY_BYTES, and says how large it may be', async () => {
    const body = JSON.stringify({ query: 'q', documents: ['a'.repeat(MAX_BODY_BYTES)] });
    await expectProblem(await rerank(body), { code: 'payload_too_large', detail: new RegExp(String(MAX_BODY_BYTES)) });
  });

  it('refuses what unpacks beyond MAX_BODY_BYTES, however small it was sent', async () => {
    const bomb = gzipSync(JSON.stringify({ query: 'q', documents: ['a'.repeat(4 * MAX_BODY_BYTES)] }));
    expect(bomb.length).toBeLessThan(MAX_BODY_BYTES / 50);
    const response = await post('/v1/rerank', new Uint8Array(bomb), 'application/json', { 'content-encoding': 'gzip' });
    await expectProblem(response, { code: 'payload_too_large' });
  });

  it('refuses other content types', async () => {
    await expectProblem(await post('/v1/rerank', 'query=q', 'application/x-www-form-urlencoded'), {
      code: 'unsupported_media_type',
      detail: /application\/json/,
    });
  });

  it('says so when a deadline passes', async () => {
    const documents = Array<string>(100).fill('a document of some length '.repeat(20));
    const started = performance.now();
    await expectProblem(await rerank({ query: 'q', documents, timeout_ms: 1 }), { code: 'deadline_exceeded', detail: /timeout_ms/ });
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('/v1/search', () => {
  it.each<[string, object, ExpectedProblem]>([
    ['an unknown corpus', { corpus: 'nowhere', query: 'q' }, { code: 'corpus_not_found', detail: /\/v1\/corpora/ }],
    ['a name that no corpus can have', { corpus: '../etc', query: 'q' }, { code: 'invalid_request', pointers: ['/corpus'] }],
    ['an empty query', { corpus: 'notes', query: '' }, { code: 'invalid_request', pointers: ['/query'] }],
    ['an unknown field', { corpus: 'notes', query: 'q', topk: 3 }, { code: 'invalid_request', pointers: ['/topk'] }],
    ['an unknown mode', { corpus: 'notes', query: 'q', mode: 'magic' }, { code: 'invalid_request', pointers: ['/mode'] }],
    ['an unknown model', { corpus: 'notes', query: 'q', model: 'nope' }, { code: 'model_not_found' }],
    ['top_k beyond its bound', { corpus: 'notes', query: 'q', top_k: 1_001 }, { code: 'too_many_candidates' }],
    ['a filter that is none', { corpus: 'notes', query: 'q', filter: { must: [{ key: 'a', match: {} }] } }, { code: 'invalid_request' }],
    [
      'a filter of the wrong type',
      { corpus: 'notes', query: 'q', filter: 'lang = en' },
      { code: 'invalid_request', pointers: ['/filter'] },
    ],
  ])('refuses %s', async (_, body, expected) => {
    await expectProblem(await search(body), expected);
  });
});

describe('documents', () => {
  it('refuses an upload without one good line, and names the first fault', async () => {
    const { errors } = await expectProblem(await ndjson('{"text":""}\nnot json\n{"id":3,"text":"a"}\n'), {
      code: 'invalid_request',
      detail: /line 1/,
    });
    expect(errors).toHaveLength(3);
  });

  it('refuses an empty upload', async () => {
    await expectProblem(await ndjson(''), { code: 'invalid_request', detail: /no documents/ });
    await expectProblem(await ndjson('\n\n'), { code: 'invalid_request', detail: /no documents/ });
    await expectProblem(await post('/v1/corpora/notes/documents', '{"documents":[]}'), {
      code: 'invalid_request',
      pointers: ['/documents'],
    });
  });

  it('stores the good lines and names each bad one by line and id', async () => {
    const lines = [
      JSON.stringify(CLEAN),
      String.raw`{"id":"nul","text":"a\u0000b"}`,
      String.raw`{"id":"half","text":"\ud83d"}`,
      '{"id":"cut","text":',
      '{"id":"type","text":5}',
      '{"id":"more","text":"a","colour":"red"}',
    ];
    const invalid = Buffer.concat([Buffer.from('{"id":"bytes","text":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}\n')]);
    const response = await ndjson(new Uint8Array(Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), invalid])));
    expect(response.status).toBe(200);
    const job = (await response.json()) as {
      request_counts: object;
      errors: { line: number; document_id?: string; code: string; detail: string }[];
    };
    expect(job.request_counts).toEqual({ total: 7, processing: 0, succeeded: 1, errored: 6 });
    expect(job.errors.map(({ line, document_id }) => [line, document_id])).toEqual(
      expect.arrayContaining([
        [4, undefined],
        [5, 'type'],
        [6, 'more'],
        [7, undefined],
      ]),
    );
    for (const { code, detail } of job.errors) {
      expect(code).toBe('invalid_request');
      expect(detail).toMatch(/^\S.*[.!?]$/);
    }
  });

  it('refuses an upload beyond MAX_INGEST_BYTES, and keeps nothing of it', async () => {
    const line = `${JSON.stringify({ text: 'a '.repeat(50_000) })}\n`;
    await expectProblem(await ndjson(line.repeat(Math.ceil((2.2 * TEN_MB) / line.length))), {
      code: 'payload_too_large',
      detail: /several uploads/,
    });
  });

  it('keeps nothing of an upload that was cut off', async () => {
    const { hostname, port } = new URL(stack.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const head = `POST /v1/corpora/notes/documents HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const row = `${JSON.stringify({ id: 'half', text: 'Half an upload.' })}\n`;
    socket.write(`${head}${row.length.toString(16)}\r\n${row}\r\n`);
    socket.end();
    socket.destroySoon();
    await once(socket, 'close');
    await expect(stack.client.getDocument('notes', 'half')).rejects.toMatchObject({ code: 'document_not_found' });
  });

  it('refuses a document id in the path that is none, and one that is not there', async () => {
    await expectProblem(await fetch(`${stack.url}/v1/corpora/notes/documents/nobody`), { code: 'document_not_found' });
    await expectProblem(await fetch(`${stack.url}/v1/corpora/notes/documents/${'x'.repeat(600)}`), { code: 'document_not_found' });
    await expectProblem(await fetch(`${stack.url}/v1/corpora/notes/documents/%00`), { code: 'document_not_found' });
    await expectProblem(await fetch(`${stack.url}/v1/corpora/notes/documents/%ff`), { code: 'invalid_request' });
  });

  it('refuses a corpus name that is none', async () => {
    const put = (name: string): Promise<Response> =>
      fetch(`${stack.url}/v1/corpora/${name}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{}' });
    for (const name of ['Upper', 'a_b', '-a', 'a'.repeat(64), '%00', '%2e%2e%2f'])
      await expectProblem(await put(name), { code: 'invalid_request' });
  });

  it('refuses settings that cannot be', async () => {
    await expect(stack.client.putCorpus('odd', { embedding_model: 'nope' })).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(stack.client.putCorpus('odd', { chunking: { max_tokens: 16, overlap_tokens: 12 } })).rejects.toMatchObject({
      status: 400,
    });
    await expect(stack.client.putCorpus('notes', { bm25: { k1: 2 } })).rejects.toMatchObject({ code: 'reindex_required', status: 409 });
    await expect(stack.client.getCorpus('odd')).rejects.toMatchObject({ code: 'corpus_not_found' });
  });
});

describe('routes', () => {
  it('names an unknown route, and the methods that a path takes', async () => {
    await expectProblem(await fetch(`${stack.url}/v1/nothing`), { code: 'route_not_found', detail: /\/docs/ });
    const wrong = await fetch(`${stack.url}/v1/rerank`);
    expect(wrong.headers.get('allow')).toBe('POST');
    await expectProblem(wrong, { code: 'route_not_found', detail: /it takes POST/ });
  });

  it('answers nothing to a web page of another site', async () => {
    await expectProblem(await fetch(`${stack.url}/v1/models`, { headers: { origin: 'https://evil.example' } }), {
      code: 'forbidden',
      detail: /Origin/,
    });
  });
});
