import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runDemo } from '@rerank-fleet/cli';
import { RerankClient } from '@rerank-fleet/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContractServer } from './cli-contract-server.js';

const SAMPLES = fileURLToPath(new URL('../../samples', import.meta.url));

let server: ContractServer;
beforeEach(async () => {
  server = await new ContractServer().start();
});
afterEach(() => server.stop());

async function demo(): Promise<string> {
  const out = new PassThrough();
  await runDemo({ client: new RerankClient({ baseUrl: server.url }), corpus: 'everyday', samplesDir: SAMPLES, out });
  return String(out.read());
}

const uploads = () => server.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/documents'));

describe('runDemo', () => {
  it('loads the samples and shows the search before and after, with its curl line', async () => {
    const text = await demo();
    expect(text).toMatch(/^Sample corpus everyday: \d+ documents stored/);
    expect(text).toContain('Search for "best practices for pruning apple trees"');
    expect(text).toMatch(/^# +first stage +score +reranked +score +move$/m);
    expect(text).toContain(`curl -s ${server.url}/v1/search -H 'content-type: application/json' -d '{"corpus":"everyday"`);
    expect(text).toContain(`${server.url}/docs`);
    expect(JSON.parse(server.requests.find(({ method }) => method === 'PUT')!.body)).toHaveProperty('fields.topic', 'keyword');
  });

  it('sends nothing a second time, and only what was changed or lost', async () => {
    await demo();
    expect(await demo()).not.toContain('stored in');
    expect(uploads()).toHaveLength(1);
    const documents = server.corpora.get('everyday')!;
    const [lost, changed] = [...documents.keys()] as [string, string];
    documents.delete(lost);
    documents.set(changed, { id: changed, text: 'something else' });
    expect(await demo()).toContain('2 documents stored');
    expect(uploads()[1]!.body.trimEnd().split('\n')).toHaveLength(2);
  });
});
