import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoredDocumentBody } from '@rerank-fleet/client';
import { runCli } from '../integration/cli-process.js';
import { startTestStack, type TestStack } from '../support/stack.js';

const TOPICS = [
  'pruning apple trees',
  'frost on young roots',
  'sharpening garden tools',
  'watering in a dry summer',
  'compost and its smell',
];
const DOCUMENTS = Array.from({ length: 60 }, (_, at) => ({
  id: `d${at}`,
  title: `Note ${at}`,
  text: `${TOPICS[at % TOPICS.length]!} is what note ${at} is about. It was written on day ${at}. Nobody has read it twice.`,
  metadata: { day: at },
}));
/** A minute: a test does something meanwhile, and then takes the limit away. */
const SLOW_RPS = 1;

let stack: TestStack;
let folder: string;
beforeAll(async () => {
  stack = await startTestStack();
  folder = await mkdtemp(join(tmpdir(), 'rerank-corpora-'));
  await stack.client.putCorpus('notes', { fields: { day: 'integer' } });
  await stack.client.ingest('notes', DOCUMENTS, { wait: true });
});
afterAll(async () => {
  await stack.stop();
  await rm(folder, { recursive: true });
});

const rerank = (...args: string[]) => runCli(args, { env: { RERANK_URL: stack.url } });
const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1);
async function all(corpus: string): Promise<StoredDocumentBody[]> {
  const documents: StoredDocumentBody[] = [];
  for await (const document of stack.client.listDocuments(corpus, { pageSize: 25 })) documents.push(document);
  return documents.sort(byId);
}
const versionOf = async (query: string) => {
  const { version, results } = await stack.client.search({ corpus: 'notes', query, top_n: 3, rerank: false });
  return { version, found: results.map(({ document_id: id }) => id) };
};

describe('a corpus', () => {
  it('tells of documents that were unchanged', async () => {
    const [first, ...rest] = DOCUMENTS;
    const job = await stack.client.ingest('notes', [{ ...first!, text: 'Something else now.' }, ...rest], { wait: true });
    expect(job).toMatchObject({ status: 'completed', unchanged: 59, request_counts: { succeeded: 60 } });
    expect(await stack.client.ingest('notes', DOCUMENTS, { wait: true })).toMatchObject({ unchanged: 59 });
  });

  it('comes out as it went in, and again in another corpus', async () => {
    const path = join(folder, 'notes.jsonl.gz');
    expect(await rerank('corpora', 'export', 'notes', '-o', path)).toMatchObject({ status: 0 });
    expect(await rerank('corpora', 'import', path, '--as', 'copy')).toMatchObject({ status: 0 });
    expect(await all('copy')).toEqual([...DOCUMENTS].sort(byId));
    const [{ settings }, copy] = await Promise.all([stack.client.getCorpus('notes'), stack.client.getCorpus('copy')]);
    expect(copy).toMatchObject({ settings, documents: 60 });
    const again = await rerank('corpora', 'import', path, '--as', 'copy');
    expect(again.stdout).toMatch(/^60 documents stored in corpus copy, 60 of them unchanged/);
    expect(await stack.client.getCorpus('copy')).toMatchObject({ documents: 60, passages: copy.passages });
  });

  it('is reindexed while it is searched and written to, its API dies, and goes back with all that was written', async () => {
    const { client } = stack;
    await expect(client.putCorpus('notes', { chunking: { mode: 'none' } })).rejects.toMatchObject({ code: 'reindex_required' });
    const begun = await client.reindexes.start('notes', { chunking: { mode: 'none' }, requests_per_second: SLOW_RPS });
    expect(begun).toMatchObject({ corpus: 'notes', from_version: 1, to_version: 2, status: 'building', total: 60 });
    await expect(client.reindexes.start('notes')).rejects.toMatchObject({ code: 'reindex_in_progress' });
    const ended = client.reindexes.wait(begun.id, { timeoutMs: 120_000 });
    await client.ingest('notes', [{ id: 'during', text: 'A zeppelin landed beside the greenhouse.' }], { wait: true });
    expect(await versionOf('zeppelin')).toMatchObject({ version: 1, found: expect.arrayContaining(['during']) as string[] });
    process.kill(stack.pid('api'), 'SIGKILL');
    await expect
      .poll(() => client.reindexes.rethrottle(begun.id, undefined).then(({ id }) => id, String), { timeout: 20_000 })
      .toBe(begun.id);
    expect(await ended).toMatchObject({
      status: 'completed',
      failed: 0,
      validation: { documents: { expected: 61, found: 61 }, failures: [] },
    });
    expect(await versionOf('zeppelin')).toMatchObject({ version: 2, found: expect.arrayContaining(['during']) as string[] });
    expect(await client.getCorpus('notes')).toMatchObject({ settings: { chunking: { mode: 'none' } }, documents: 61, passages: 61 });

    await client.ingest('notes', [{ id: 'after', text: 'The submarine surfaced in the pond.' }], { wait: true });
    expect(await client.reindexes.rollback(begun.id)).toMatchObject({ status: 'rolled_back' });
    expect(await versionOf('submarine')).toMatchObject({ version: 1, found: expect.arrayContaining(['after']) as string[] });
    expect(await client.getCorpus('notes')).toMatchObject({ version: 1, settings: { chunking: { mode: 'sentences' } }, documents: 62 });
  });

  it('waits to be promoted, and can be left as it is', async () => {
    const { client } = stack;
    const { id } = await client.reindexes.start('notes', { promote: 'manual', validation: { sample: 10, min_overlap: 0.5 } });
    await client.reindexes.rethrottle(id, 1_000);
    const watched = await rerank('reindex', 'watch', id);
    expect(watched).toMatchObject({ status: 0, stdout: expect.stringContaining(`rerank reindex promote ${id}`) as string });
    expect(await client.reindexes.get(id)).toMatchObject({ status: 'ready', validation: { queries: 10 } });
    expect(await rerank('reindex', 'cancel', id)).toMatchObject({ status: 0 });
    expect((await client.reindexes.list({ corpus: 'notes' })).map(({ status }) => status)).toEqual(['cancelled', 'rolled_back']);
  });
});
