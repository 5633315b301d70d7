import { RerankClient } from '@rerank-fleet/client';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.js';
import { expectProblem } from './problem.js';

const KEYS = { acme: 'acme-key-of-the-e2e-suite', globex: 'globex-key-of-the-e2e-suite', reader: 'reader-key-of-the-e2e-suite' };
const EVERYTHING = ['search', 'jobs', 'ingest', 'admin'];

let stack: TestStack;
let acme: RerankClient;
let globex: RerankClient;

beforeAll(async () => {
  const keys = [
    { key: KEYS.acme, tenant: 'acme', scopes: EVERYTHING },
    { sha256: createHash('sha256').update(KEYS.globex).digest('hex'), tenant: 'globex', scopes: EVERYTHING },
    { key: KEYS.reader, tenant: 'acme', scopes: ['search'] },
  ];
  stack = await startTestStack({ environment: { API_KEYS: JSON.stringify(keys) } });
  acme = new RerankClient({ baseUrl: stack.url, apiKey: KEYS.acme });
  globex = new RerankClient({ baseUrl: stack.url, apiKey: KEYS.globex });
});

afterAll(() => stack.stop());

const get = (path: string, key?: string): Promise<Response> =>
  fetch(stack.url + path, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });

describe('two tenants', () => {
  it('do not see each other’s corpora, documents and jobs', async () => {
    await acme.putCorpus('plans');
    const job = await acme.ingest('plans', [{ id: 'secret', text: 'Acme will build a rocket.' }], { wait: true });
    const unseen = [
      [`/v1/corpora/plans`, 'corpus_not_found'],
      [`/v1/corpora/plans/documents/secret`, 'corpus_not_found'],
      [`/v1/jobs/${job.id}`, 'job_not_found'],
    ] as const;
    for (const [path, code] of unseen) {
      expect((await get(path, KEYS.acme)).status).toBe(200);
      await expectProblem(await get(path, KEYS.globex), { code });
    }
    const notFound = { code: 'corpus_not_found', status: 404 };
    await expect(globex.search({ corpus: 'plans', query: 'rocket' })).rejects.toMatchObject(notFound);
    await expect(globex.ingest('plans', [{ text: 'Mine now.' }])).rejects.toMatchObject(notFound);
    await expect(globex.deleteDocuments('plans', { ids: ['secret'] })).rejects.toMatchObject(notFound);
    await expect(globex.deleteCorpus('plans')).rejects.toMatchObject(notFound);
    expect(await globex.listCorpora()).toEqual([]);
    expect((await acme.getDocument('plans', 'secret')).text).toContain('rocket');
  });

  it('may have corpora of the same name', async () => {
    await acme.putCorpus('notes');
    await globex.putCorpus('notes');
    await acme.ingest('notes', [{ id: '1', text: 'A note of Acme on anvils.' }], { wait: true });
    await globex.ingest('notes', [{ id: '1', text: 'A note of Globex on globes.' }], { wait: true });
    const texts = async (client: RerankClient) =>
      (await client.search({ corpus: 'notes', query: 'anvils and globes' })).results.map(({ passage }) => passage.text);
    expect(await texts(acme)).toEqual(['A note of Acme on anvils.']);
    expect(await texts(globex)).toEqual(['A note of Globex on globes.']);
    await acme.deleteCorpus('notes');
    expect(await texts(globex)).toEqual(['A note of Globex on globes.']);
  });
});

describe('an API with keys', () => {
  it('refuses a missing and an unknown key with 401', async () => {
    const missing = await get('/v1/models');
    expect(missing.headers.get('www-authenticate')).toBe('Bearer');
    await expectProblem(missing, { code: 'unauthorized', detail: /Authorization: Bearer/ });
    await expectProblem(await get('/v1/models', 'some-key-that-nobody-has'), { code: 'unauthorized' });
  });

  it('refuses with 403 what a key does not allow', async () => {
    const reader = new RerankClient({ baseUrl: stack.url, apiKey: KEYS.reader });
    await expect(reader.putCorpus('own')).rejects.toMatchObject({ code: 'forbidden', status: 403 });
    expect((await reader.rerank({ query: 'a', documents: ['b'] })).results).toHaveLength(1);
  });

  it('answers health without a key', async () => {
    expect((await get('/health/ready')).status).toBe(200);
  });
});

describe('an API without keys', () => {
  it('refuses to listen beyond loopback', async () => {
    await expect(startTestStack({ stack: { host: '0.0.0.0', workers: 0 } })).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining('API_KEYS') as string,
    });
  });
});
