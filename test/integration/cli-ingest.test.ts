import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { CliRig, ndjson } from './cli-commands-support.js';
import { startCli } from './cli-process.js';

const rig = new CliRig();
const { rerank, write, stored } = rig;

describe('rerank ingest', () => {
  it('makes the corpus, stores a file and waits for the job', async () => {
    const file = await write(
      'docs.jsonl',
      ndjson([
        { _id: '1', text: 'an apple' },
        { id: '2', text: 'a pear', lang: 'en' },
      ]),
    );
    const run = await rerank(['ingest', file, '--corpus', 'fruit']);
    expect(run).toMatchObject({ status: 0, stdout: '2 documents stored in corpus fruit (job job_1).\n', stderr: 'Corpus fruit made.\n' });
    expect(stored('fruit')).toEqual([
      { id: '1', text: 'an apple' },
      { id: '2', text: 'a pear', metadata: { lang: 'en' } },
    ]);
  });

  it.each([
    ['gzip', (text: string) => gzipSync(text)],
    ['plain', (text: string) => text],
  ])('reads %s NDJSON and JSON arrays from stdin', async (_, pack) => {
    expect((await rerank(['ingest', '-', '-c', 'a'], pack(ndjson([{ text: 'one' }, { text: 'two' }])))).status).toBe(0);
    expect((await rerank(['ingest', '-', '-c', 'b'], pack('\n[{"text":"one"},{"text":"two"},{"text":"three"}]'))).status).toBe(0);
    expect([stored('a').length, stored('b').length]).toEqual([2, 3]);
  });

  it('names bad lines by the numbers of the file, those that the service refused too, and counts the rest', async () => {
    const bad = Array.from({ length: 11 }, () => '{"id":"x"}');
    const rows = [{ text: 'one' }, '{broken', '', { text: 'refuse me' }, ...bad];
    const run = await rerank(['ingest', await write('docs.jsonl', ndjson(rows)), '-c', 'c']);
    expect(run.status).toBe(3);
    expect(run.stdout).toBe('1 document stored in corpus c (job job_1).\n');
    expect(run.stderr).toContain(
      'warning: 13 documents were not stored:\n  docs.jsonl:2: is not valid JSON\n  docs.jsonl:5: has no "text"\n',
    );
    expect(run.stderr).toMatch(/\n {2}and 3 more\n$/);

    const few = await rerank(['ingest', '-', '-c', 'd'], ndjson([{ text: 'one' }, 'x', { text: 'refuse me' }]));
    expect(few).toMatchObject({ status: 3 });
    expect(few.stderr).toContain('stdin:3: The store refused it. (invalid_request)');
  });

  it('stores nothing and says so when no line is a document', async () => {
    const run = await rerank(['ingest', '-', '-c', 'c'], 'no json\n');
    expect(run).toMatchObject({ status: 3, stdout: '' });
    expect(run.stderr).toContain('stdin holds no valid document\n  stdin:1: is not valid JSON');
    expect((await rerank(['ingest', '-', '-c', 'c'], '')).stderr).toContain('error: stdin is empty');
    expect(rig.server.jobs.size).toBe(0);
  });

  it('reads the texts of a folder, with path and heading', async () => {
    await mkdir(join(rig.folder, 'docs/sub'), { recursive: true });
    await mkdir(join(rig.folder, 'docs/.git'));
    await write('docs/b.md', '# Heading B\ntext');
    await write('docs/sub/a.txt', 'plain');
    await write('docs/sub/empty.txt', ' ');
    await write('docs/picture.png', new Uint8Array([0x89]));
    await write('docs/.git/x.md', 'hidden');
    const run = await rerank(['ingest', join(rig.folder, 'docs'), '-c', 'notes']);
    expect(run.status).toBe(3);
    expect(run.stderr).toContain('1 other file left out');
    expect(run.stderr).toContain('sub/empty.txt: is empty');
    expect(stored('notes')).toEqual([
      { id: 'b.md', title: 'Heading B', text: '# Heading B\ntext' },
      { id: 'sub/a.txt', title: 'a', text: 'plain' },
    ]);
  });

  it('reads the corpus of a folder in BEIR layout and leaves its queries', async () => {
    await write('corpus.jsonl.gz', gzipSync(ndjson([{ _id: 'd1', title: 'T', text: 'x', metadata: {} }])));
    await write('queries.jsonl', ndjson([{ _id: 'q1', text: 'query' }]));
    expect((await rerank(['ingest', rig.folder, '-c', 'beir'])).status).toBe(0);
    expect(stored('beir')).toEqual([{ id: 'd1', title: 'T', text: 'x', metadata: {} }]);
  });

  it('prints one JSON value with --json and nothing else on stdout', async () => {
    const run = await rerank(['ingest', '-', '-c', 'c', '--json'], ndjson([{ text: 'one' }, '{']));
    expect(run.status).toBe(3);
    expect(JSON.parse(run.stdout)).toMatchObject({
      job: { status: 'completed', request_counts: { succeeded: 1 } },
      rejected_count: 1,
      rejected: [{ source: 'stdin:2', detail: 'is not valid JSON' }],
    });
  });

  it('makes no corpus with --no-create, and does not wait with --no-wait', async () => {
    const missing = await rerank(['ingest', '-', '-c', 'c', '--no-create'], ndjson([{ text: 'x' }]));
    expect(missing).toMatchObject({ status: 1, stdout: '', stderr: 'error: There is no corpus "c". (corpus_not_found, request req-1)\n' });
    rig.server.jobReads = Infinity;
    const run = await rerank(['ingest', '-', '-c', 'c', '--no-wait'], ndjson([{ text: 'x' }]));
    expect(run).toMatchObject({ status: 0, stdout: 'Job job_1 accepted; follow it with `rerank status job_1`.\n' });
  });

  it('fails with the job', async () => {
    rig.server.failJobs = true;
    const run = await rerank(['ingest', '-', '-c', 'c'], ndjson([{ text: 'x' }]));
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('error: Job job_1 failed');
  });

  it('says on Ctrl-C that the job goes on, and on one before that nothing was stored', async () => {
    rig.server.jobReads = Infinity;
    const waiting = startCli(['ingest', '-', '-c', 'c'], { RERANK_URL: rig.server.url });
    waiting.stdin.end(ndjson([{ text: 'x' }]));
    await expect.poll(() => rig.server.requests.some(({ path }) => path.startsWith('/v1/jobs')), { timeout: 10_000 }).toBe(true);
    waiting.kill('SIGINT');
    const [waited] = await Promise.all([readText(waiting.stderr), once(waiting, 'exit')]);
    expect(waiting.exitCode).toBe(130);
    expect(waited).toContain('goes on with job job_1; follow it with `rerank status job_1`');

    const sending = startCli(['ingest', '-', '-c', 'other'], { RERANK_URL: rig.server.url });
    sending.stdin.write(ndjson([{ text: 'x' }]));
    await expect.poll(() => rig.server.corpora.has('other'), { timeout: 10_000 }).toBe(true);
    sending.kill('SIGINT');
    const [sent] = await Promise.all([readText(sending.stderr), once(sending, 'exit')]);
    expect(sending.exitCode).toBe(130);
    expect(sent).toContain('nothing was stored');
    expect(rig.server.jobs.size).toBe(1);
  });

  it('names a damaged gzip file, and a path that is not there', async () => {
    const half = gzipSync(ndjson(Array.from({ length: 5_000 }, (_, row) => ({ text: `row ${row} ${Math.sin(row)}` })))).subarray(0, 4_000);
    const damaged = await rerank(['ingest', await write('half.jsonl.gz', half), '-c', 'c']);
    expect(damaged.status).toBe(1);
    expect(damaged.stderr).toContain('half.jsonl.gz is not whole gzip data');
    expect(rig.server.jobs.size).toBe(0);
    expect(await rerank(['ingest', join(rig.folder, 'nowhere'), '-c', 'c'])).toMatchObject({
      status: 2,
      stderr: `error: There is no file or folder ${join(rig.folder, 'nowhere')}.\n`,
    });
  });
});
