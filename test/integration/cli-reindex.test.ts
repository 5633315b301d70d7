import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import type { ReindexBody } from '@rerank-fleet/client';
import type { CorpusRef, ReindexRecord } from '@rerank-fleet/core/domain';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { corpusRecord } from '../support/fleet-fixtures.js';
import { startTestApi, type TestApi } from './api-support.js';
import { runCli, startCli, type CliRun } from './cli-process.js';
import { RecordWorker } from './record-worker.js';

const MANUALS: CorpusRef = { tenant: 'default', corpus: 'manuals' };

let api: TestApi;
let worker: RecordWorker;
let url: string;
let folder: string;

beforeEach(async () => {
  api = await startTestApi({ SYNC_TIMEOUT_MS: '2000' });
  url = await api.listen();
  folder = await mkdtemp(join(tmpdir(), 'rerank-reindex-'));
  worker = new RecordWorker(api.fleet);
  await api.fleet.documents.createCorpus(corpusRecord(MANUALS));
  await api.fleet.documents.putDocuments(
    MANUALS,
    Array.from({ length: 10 }, (_, at) => ({ id: `d${at}`, text: 'text', seq: 1 })),
  );
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const rerank = (...args: string[]): Promise<CliRun> => runCli(args, { env: { RERANK_URL: url } });
const write = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};
/** What a worker was asked to begin. */
const asked = (): unknown => {
  const { body } = api.fleet.calls.at(-1)!;
  return body.kind === 'corpus' && body.change.op === 'start_reindex' ? body.change.request : undefined;
};
const begin = async (...flags: string[]): Promise<string> =>
  (JSON.parse((await rerank('reindex', 'start', 'manuals', '--json', ...flags)).stdout) as ReindexBody).id;
const ready: Partial<ReindexRecord> = {
  status: 'ready',
  created: 10,
  workedMs: 1_000,
  validation: { documents: { expected: 10, found: 10 }, repaired: 1, queries: 5, overlap: 0.875, failures: [] },
};

describe('rerank reindex start', () => {
  it('begins one, and says how to follow it', async () => {
    const run = await rerank('reindex', 'start', 'manuals');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(
      /^Reindex (rx_[0-9a-f]{32}) of manuals has begun: version 1 → 2, 10 documents\. `rerank reindex watch \1` follows it\.\n$/,
    );
    expect(asked()).toEqual({ promote: 'auto' });
  });

  it('sends all that it takes, over the settings of the corpus', async () => {
    const judged = await write('judged.jsonl', '{"query":"q","relevant":{"d1":2}}\n');
    const settings = ['--embedding-model', 'tiny-embedder', '--max-tokens', '40', '--language', 'german', '--index', '{"hnsw":{"m":8}}'];
    const more = ['--rps', '2.5', '--promote', 'manual', '--sample', '7', '--min-overlap', '0.5', '--keep-previous', '2h'];
    expect((await rerank('reindex', 'start', 'manuals', ...settings, ...more, '--judged', judged, '--min-ndcg-ratio', '0.9')).status).toBe(
      0,
    );
    expect(asked()).toEqual({
      embedding_model: 'tiny-embedder',
      // Half of it at most; the corpus had 32.
      chunking: { mode: 'sentences', max_tokens: 40, overlap_tokens: 20 },
      bm25: { k1: 1.2, b: 0.75, average_length: 100, language: 'german' },
      index: { hnsw: { m: 8 } },
      requests_per_second: 2.5,
      promote: 'manual',
      keep_previous_s: 7_200,
      validation: { sample: 7, min_overlap: 0.5, judged: [{ query: 'q', relevant: { d1: 2 } }], min_ndcg_ratio: 0.9 },
    });
  });

  it('takes judged queries of a folder in BEIR layout', async () => {
    await write('queries.jsonl', '{"_id":"q1","text":"first"}\n{"_id":"q2","text":"second"}\n{"_id":"q3","text":"not judged"}\n');
    await mkdir(join(folder, 'qrels'));
    await write('qrels/test.tsv', 'query-id\tcorpus-id\tscore\nq2\td1\t1\nq1\td2\t2\nq2\td3\t1\nq3\td1\t0\n');
    expect((await rerank('reindex', 'start', 'manuals', '--judged', folder)).status).toBe(0);
    expect(asked()).toMatchObject({
      validation: {
        judged: [
          { query: 'first', relevant: { d2: 2 } },
          { query: 'second', relevant: { d1: 1, d3: 1 } },
        ],
      },
    });
    const damaged = await write('qrels/test.tsv', 'q1 d1 1\n');
    expect(await rerank('reindex', 'start', 'manuals', '--judged', folder)).toMatchObject({
      status: 1,
      stderr: 'error: test.tsv:1: is no query id, document id and grade, separated by tabs.\n',
    });
    await rm(damaged);
    expect((await rerank('reindex', 'start', 'manuals', '--judged', folder)).status).toBe(2);
  });

  it('names the reindex that is in the way', async () => {
    const id = await begin();
    const second = await rerank('reindex', 'start', 'manuals');
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`The reindex ${id} of this corpus is building`);
  });

  it.each([
    [['--keep-previous', 'soon'], 'a time such as 90s'],
    [['--rps', '0'], 'a number above 0'],
    [['--index', '{"shards":0}'], 'shards'],
    [['--min-ndcg-ratio', '1'], 'needs judged queries'],
    [['--promote', 'never'], 'auto, manual'],
  ])('refuses %j as usage', async (flags, message) => {
    const run = await rerank('reindex', 'start', 'manuals', ...flags);
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toContain(message);
    expect(api.fleet.calls).toEqual([]);
  });
});

describe('rerank reindex watch', () => {
  it('follows a reindex until it waits to be promoted, and says how', async () => {
    const id = await begin('--promote', 'manual');
    const watching = startCli(['reindex', 'watch', id], { RERANK_URL: url });
    watching.stdin.end();
    const seen = Promise.all([readText(watching.stdout), once(watching, 'exit')]);
    await expect.poll(() => api.log.some((line) => String(line['route']).endsWith('/reindex/:id')), { timeout: 20_000 }).toBe(true);
    await worker.worked(MANUALS, id, ready);
    const [stdout] = await seen;
    expect(watching.exitCode).toBe(0);
    for (const part of [
      'status     ready',
      '10 of 10 documents found; 1 repaired',
      '5; both find 87.5% of the first ten alike',
      `promote ${id}`,
    ])
      expect(stdout).toContain(part);
  });

  it('tells of the end by its exit status', async () => {
    const id = await begin('--promote', 'manual');
    const failures = [{ documentId: 'd1', code: 'score_not_finite', detail: 'No vector.' }];
    await worker.worked(MANUALS, id, { ...ready, created: 9, failed: 1, failures });
    expect(await rerank('reindex', 'watch', id)).toMatchObject({ status: 3, stdout: expect.stringContaining('d1: No vector.') as string });
    await worker.worked(MANUALS, id, { status: 'failed', error: { code: 'internal_error', detail: 'It broke.' } });
    const failed = await rerank('reindex', 'watch', id, '--json');
    expect(failed.status).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({ id, status: 'failed', error: { detail: 'It broke.' } });
    expect((await rerank('reindex', 'watch', 'rx_none')).status).toBe(1);
  });

  it('leaves the reindex running on Ctrl-C, and says so', async () => {
    const watching = startCli(['reindex', 'start', 'manuals', '--watch'], { RERANK_URL: url });
    watching.stdin.end();
    const seen = Promise.all([readText(watching.stderr), once(watching, 'exit')]);
    await expect.poll(() => api.log.some((line) => String(line['route']).endsWith('/reindex/:id')), { timeout: 20_000 }).toBe(true);
    watching.kill('SIGINT');
    const [stderr] = await seen;
    expect(watching.exitCode).toBe(130);
    expect(stderr).toMatch(/Reindex (rx_\w+) goes on: 0 of 10 documents\. `rerank reindex watch \1` follows it\./);
    expect((await api.fleet.documents.findCorpus(MANUALS))?.reindexes?.[0]?.status).toBe('building');
  });

  it('outlasts a restart of the service', async () => {
    const id = await begin('--promote', 'manual');
    const watching = startCli(['reindex', 'watch', id], { RERANK_URL: url });
    watching.stdin.end();
    const exited = once(watching, 'exit');
    await expect.poll(() => api.log.some((line) => String(line['route']).endsWith('/reindex/:id')), { timeout: 20_000 }).toBe(true);
    const { port } = new URL(url);
    const record = (await api.fleet.documents.findCorpus(MANUALS))!;
    await api.close();
    api = await startTestApi({ PORT: port });
    worker = new RecordWorker(api.fleet);
    await api.fleet.documents.createCorpus(record);
    await worker.worked(MANUALS, id, ready);
    await api.app.listen(Number(port), '127.0.0.1');
    await exited;
    expect(watching.exitCode).toBe(0);
  });
});

describe('rerank reindex', () => {
  it('lists, shows, rethrottles, cancels, promotes and rolls back', async () => {
    const id = await begin('--rps', '5');
    expect((await rerank('reindex', 'list')).stdout).toContain(`${id}  manuals  1 → 2    building         10     0`);
    expect((await rerank('reindex', 'list', '-c', 'manuals', '--json')).stdout).toContain(`"id": "${id}"`);
    expect((await rerank('reindex', 'show', id)).stdout).toContain('limit      5 documents a second');
    expect((await rerank('reindex', 'rethrottle', id, '0.5')).stdout).toBe(`Reindex ${id} takes at most 0.5 documents a second.\n`);
    expect((await rerank('reindex', 'rethrottle', id, 'unlimited')).stdout).toContain('as many documents as it can');
    expect((await rerank('reindex', 'rethrottle', id, 'fast')).status).toBe(2);
    expect(await rerank('reindex', 'promote', id)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('reindex_in_progress') as string,
    });
    expect((await rerank('reindex', 'cancel', id)).stdout).toBe(`Reindex ${id} is cancelled.\n`);
    const next = await begin('--promote', 'manual');
    await worker.worked(MANUALS, next, ready);
    expect((await rerank('reindex', 'promote', next)).stdout).toContain('Version 3 of manuals is in use');
    expect((await rerank('reindex', 'cancel', next)).status).toBe(1);
    const show = (await rerank('corpora', 'show', 'manuals')).stdout;
    expect(show).toMatch(/versions {3}1 retired since \S+, 3 promoted/);
    expect((await rerank('reindex', 'rollback', next)).stdout).toBe('Version 1 of manuals is in use again.\n');
  });
});
