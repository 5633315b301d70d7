import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryQdrant } from '../chaos/memory-qdrant.ts';
import { runCli } from '../integration/cli-process.js';
import { startTestStack, type TestStack } from '../support/stack.js';

const TOPICS = ['pruning apple trees', 'frost on young roots', 'sharpening garden tools'];
const DOCUMENTS = Array.from({ length: 40 }, (_, at) => ({
  id: `d${at}`,
  title: `Note ${at}`,
  text: `${TOPICS[at % TOPICS.length]!} is what note ${at} is about. Nobody has read it twice.`,
  metadata: { day: at },
}));

let qdrant: MemoryQdrant;
let onQdrant: TestStack;
let embedded: TestStack;
let folder: string;
beforeAll(async () => {
  qdrant = await MemoryQdrant.start();
  embedded = await startTestStack();
  onQdrant = await startTestStack({ environment: { QDRANT_URL: qdrant.url } });
  folder = await mkdtemp(join(tmpdir(), 'rerank-between-'));
  await embedded.client.putCorpus('notes', { fields: { day: 'integer' } });
  await embedded.client.ingest('notes', DOCUMENTS, { wait: true });
});
afterAll(async () => {
  await Promise.all([embedded.stop(), onQdrant.stop()]);
  await qdrant.stop();
  await rm(folder, { recursive: true });
});

const corpora = (stack: TestStack, ...args: string[]) => runCli(['corpora', ...args], { env: { RERANK_URL: stack.url } });
const linesOf = async (name: string): Promise<string[]> => (await readFile(join(folder, name), 'utf8')).trim().split('\n').toSorted();

describe('a corpus that moves between stores', () => {
  it('comes to Qdrant and back as it was, and is found there by the same search', async () => {
    expect(await corpora(embedded, 'export', 'notes', '-o', join(folder, 'out.jsonl'))).toMatchObject({ status: 0 });
    expect(await corpora(onQdrant, 'import', join(folder, 'out.jsonl'))).toMatchObject({ status: 0 });
    expect(await onQdrant.client.getCorpus('notes')).toMatchObject({ documents: 40, settings: { fields: { day: 'integer' } } });
    const ask = { corpus: 'notes', query: 'frost on roots', top_n: 5, filter: { must: [{ key: 'day', range: { lt: 20 } }] } };
    const frost = DOCUMENTS.filter(({ text, metadata }) => text.includes('frost') && metadata.day < 20).map(({ id }) => id);
    for (const { client } of [onQdrant, embedded]) {
      const found = (await client.search(ask)).results.map(({ document_id: id }) => id);
      expect(found).toHaveLength(5);
      expect(frost).toEqual(expect.arrayContaining(found));
    }

    expect(await corpora(onQdrant, 'export', 'notes', '-o', join(folder, 'back.jsonl'))).toMatchObject({ status: 0 });
    expect(await corpora(embedded, 'import', join(folder, 'back.jsonl'), '--as', 'again')).toMatchObject({ status: 0 });
    expect(await corpora(embedded, 'export', 'again', '-o', join(folder, 'again.jsonl'))).toMatchObject({ status: 0 });
    const documents = async (name: string): Promise<string[]> => (await linesOf(name)).filter((line) => line.includes('"id"'));
    expect(await documents('again.jsonl')).toEqual(await documents('out.jsonl'));
    expect(await documents('out.jsonl')).toHaveLength(40);
  });
});
