import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli, startCli } from './cli-process.js';
import { ContractServer, problem } from './cli-contract-server.js';

const ESCAPE = /\u001b/;

let server: ContractServer;
let folder: string;

beforeEach(async () => {
  server = await new ContractServer().start();
  folder = await mkdtemp(join(tmpdir(), 'rerank-cli-'));
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const rerank = (args: readonly string[], input?: string | Uint8Array) =>
  runCli(args, { env: { RERANK_URL: server.url }, ...(input === undefined ? {} : { input }) });
const write = async (name: string, content: string | Uint8Array) => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};
const ndjson = (rows: readonly unknown[]) => rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('');
const stored = (corpus: string) => [...(server.corpora.get(corpus)?.values() ?? [])];

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
    expect(server.jobs.size).toBe(0);
  });

  it('reads the texts of a folder, with path and heading', async () => {
    await mkdir(join(folder, 'docs/sub'), { recursive: true });
    await mkdir(join(folder, 'docs/.git'));
    await write('docs/b.md', '# Heading B\ntext');
    await write('docs/sub/a.txt', 'plain');
    await write('docs/sub/empty.txt', ' ');
    await write('docs/picture.png', new Uint8Array([0x89]));
    await write('docs/.git/x.md', 'hidden');
    const run = await rerank(['ingest', join(folder, 'docs'), '-c', 'notes']);
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
    expect((await rerank(['ingest', folder, '-c', 'beir'])).status).toBe(0);
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
    server.jobReads = Infinity;
    const run = await rerank(['ingest', '-', '-c', 'c', '--no-wait'], ndjson([{ text: 'x' }]));
    expect(run).toMatchObject({ status: 0, stdout: 'Job job_1 accepted; follow it with `rerank status job_1`.\n' });
  });

  it('fails with the job', async () => {
    server.failJobs = true;
    const run = await rerank(['ingest', '-', '-c', 'c'], ndjson([{ text: 'x' }]));
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('error: Job job_1 failed');
  });

  it('says on Ctrl-C that the job goes on, and on one before that nothing was stored', async () => {
    server.jobReads = Infinity;
    const waiting = startCli(['ingest', '-', '-c', 'c'], { RERANK_URL: server.url });
    waiting.stdin.end(ndjson([{ text: 'x' }]));
    await expect.poll(() => server.requests.some(({ path }) => path.startsWith('/v1/jobs')), { timeout: 10_000 }).toBe(true);
    waiting.kill('SIGINT');
    const [waited] = await Promise.all([readText(waiting.stderr), once(waiting, 'exit')]);
    expect(waiting.exitCode).toBe(130);
    expect(waited).toContain('goes on with job job_1; follow it with `rerank status job_1`');

    const sending = startCli(['ingest', '-', '-c', 'other'], { RERANK_URL: server.url });
    sending.stdin.write(ndjson([{ text: 'x' }]));
    await expect.poll(() => server.corpora.has('other'), { timeout: 10_000 }).toBe(true);
    sending.kill('SIGINT');
    const [sent] = await Promise.all([readText(sending.stderr), once(sending, 'exit')]);
    expect(sending.exitCode).toBe(130);
    expect(sent).toContain('nothing was stored');
    expect(server.jobs.size).toBe(1);
  });

  it('names a damaged gzip file, and a path that is not there', async () => {
    const half = gzipSync(ndjson(Array.from({ length: 5_000 }, (_, row) => ({ text: `row ${row} ${Math.sin(row)}` })))).subarray(0, 4_000);
    const damaged = await rerank(['ingest', await write('half.jsonl.gz', half), '-c', 'c']);
    expect(damaged.status).toBe(1);
    expect(damaged.stderr).toContain('half.jsonl.gz is not whole gzip data');
    expect(server.jobs.size).toBe(0);
    expect(await rerank(['ingest', join(folder, 'nowhere'), '-c', 'c'])).toMatchObject({
      status: 2,
      stderr: `error: There is no file or folder ${join(folder, 'nowhere')}.\n`,
    });
  });
});

describe('rerank search', () => {
  beforeEach(() => {
    server.corpora.set(
      'trees',
      new Map([
        ['pie', { id: 'pie', title: 'Apple pie', text: 'sugar' }],
        ['cut', { id: 'cut', title: 'Winter cut', text: 'pruning apple trees in winter' }],
      ]),
    );
  });

  it('shows results as a table without colours in a pipe, and remarks beside it', async () => {
    const run = await rerank(['search', 'pruning apple trees']);
    expect(run.status).toBe(0);
    expect(run.stdout.split('\n').slice(0, 2)).toEqual([
      '#  score  document    was  move  passage',
      '1  0.953  Winter cut    2  ↑1    pruning apple trees in winter',
    ]);
    expect(run.stdout).not.toMatch(ESCAPE);
    expect(run.stderr).toBe('corpus trees, version 1, reranked by ms-marco-MiniLM-L-12-v2, 6 ms\n');
    expect((await rerank(['search', 'pruning', '--quiet'])).stderr).toBe('');
  });

  it('puts both orders side by side with --compare', async () => {
    const run = await rerank(['search', 'pruning apple trees', '--compare', '--min-score', '0.5', '-n', '2']);
    expect(run.stdout.split('\n').slice(0, 3)).toEqual([
      '#  first stage   score     reranked    score  move',
      '1  Apple pie    0.0164  →  Winter cut  0.953  ↑1',
      '2  Winter cut   0.0161  →',
    ]);
    const requests = server.requests.filter(({ path }) => path === '/v1/search').map(({ body }) => JSON.parse(body) as object);
    expect(requests).toContainEqual({ corpus: 'trees', query: 'pruning apple trees', top_n: 2, rerank: false });
    expect(requests).toContainEqual({ corpus: 'trees', query: 'pruning apple trees', top_n: 2, min_score: 0.5 });
  });

  it('asks for the first-stage order of --compare without what only a reranker takes', async () => {
    for (const flags of [
      ['--model', 'm'],
      ['--stage', 'm'],
    ]) {
      expect((await rerank(['search', 'pruning', '--compare', '-c', 'trees', ...flags])).status).toBe(0);
      const bodies = server.requests.slice(-2).map(({ body }) => JSON.parse(body) as { rerank?: boolean });
      expect(bodies.find((body) => body.rerank === false)).toEqual({ corpus: 'trees', query: 'pruning', rerank: false });
    }
  });

  it('sends stages on, in their order; a name may hold a colon', async () => {
    await rerank(['search', 'q', '-c', 'trees', '--stage', 'light:20', '--stage', 'a:b:7', '--stage', 'org/heavy']);
    expect(JSON.parse(server.requests.at(-1)!.body)).toMatchObject({
      stages: [{ model: 'light', keep: 20 }, { model: 'a:b', keep: 7 }, { model: 'org/heavy' }],
    });
    await rerank(['rerank', 'q', 'text', '--stage', 'light:20', '--stage', 'heavy']);
    expect(JSON.parse(server.requests.at(-1)!.body)).toMatchObject({ stages: [{ model: 'light', keep: 20 }, { model: 'heavy' }] });
  });

  it('prints the answer of the service with --json, options before or after the command', async () => {
    for (const args of [
      ['--json', 'search', 'pruning'],
      ['search', 'pruning', '--json'],
    ]) {
      const run = await rerank(args);
      expect(run.stderr).toBe('');
      expect(JSON.parse(run.stdout)).toMatchObject({ corpus: 'trees', results: [{ document_id: 'cut', first_stage: { rank: 2 } }, {}] });
    }
  });

  it('sends every option on', async () => {
    const filter = { must: [{ key: 'lang', match: { value: 'en' } }] };
    const flags = ['-c', 'trees', '-k', '7', '-n', '3', '--mode', 'dense', '--group-by', 'none', '-m', 'm', '--raw-scores'];
    const more = ['--deterministic', '--long-document', 'error', '--timeout', '900', '--explain', '--filter', JSON.stringify(filter)];
    await rerank(['search', 'q', ...flags, ...more]);
    expect(JSON.parse(server.requests.at(-1)!.body)).toEqual({
      ...{
        corpus: 'trees',
        query: 'q',
        top_k: 7,
        top_n: 3,
        mode: 'dense',
        group_by: 'none',
        model: 'm',
        raw_scores: true,
        deterministic: true,
      },
      ...{ long_document: 'error', timeout_ms: 900, explain: true, filter },
    });
  });

  it('ends with 3 when nothing is found', async () => {
    expect(await rerank(['search', 'q', '--min-score', '2'])).toMatchObject({ status: 3, stdout: 'Nothing found.\n' });
    const json = await rerank(['search', 'q', '--min-score', '2', '--json']);
    expect(json.status).toBe(3);
    expect(JSON.parse(json.stdout)).toMatchObject({ results: [] });
  });

  it('asks which corpus where there are several, and how to make one where there is none', async () => {
    server.corpora.set('pies', new Map());
    expect(await rerank(['search', 'q'])).toMatchObject({
      status: 2,
      stderr: 'error: Say which corpus to search, with --corpus: trees, pies.\n',
    });
    server.corpora.clear();
    expect((await rerank(['search', 'q'])).stderr).toContain('There is no corpus yet');
  });

  it('shows the faults that the service points at', async () => {
    const [status, body] = problem('invalid_request', 'The body is not valid.');
    const faults = { ...(body as object), errors: [{ pointer: '/filter/must/0', detail: 'needs a key' }] };
    server.faults.push({ on: 'POST /v1/search', status, body: JSON.stringify(faults) });
    expect(await rerank(['search', 'q', '-c', 'trees'])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: 'error: The body is not valid. (invalid_request, request req-x)\n  /filter/must/0: needs a key\n',
    });
  });

  it('ends without a word when its reader has left', async () => {
    const documents = Array.from({ length: 3_000 }, (_, row) => ({ id: `${row}`, text: `long text ${'x'.repeat(200)}` }));
    server.corpora.set('trees', new Map(documents.map((document) => [document.id, document])));
    const child = startCli(['search', 'q', '-n', '3000', '--json'], { RERANK_URL: server.url });
    child.stdin.end();
    const stderr = readText(child.stderr);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    await once(child, 'exit');
    expect([child.exitCode, await stderr]).toEqual([0, '']);
  });
});

describe('rerank rerank', () => {
  it('orders arguments, a file and stdin', async () => {
    const run = await rerank(['rerank', 'apple tree', 'a stone', 'an apple tree']);
    expect(run).toMatchObject({ status: 0, stderr: '2 documents, 9 tokens, ms-marco-MiniLM-L-12-v2\n' });
    expect(run.stdout).toBe('#  score  index  document\n1  0.881      1  an apple tree\n2  0.119      0  a stone\n');
    const file = await write('texts.txt', 'a stone\n{"text":"apple"}\n');
    expect((await rerank(['rerank', 'apple', '--file', file, '-n', '1', '--json'])).stdout).toContain('"index": 1');
    expect((await rerank(['rerank', 'apple', '-'], 'an apple\na pie\n')).stdout).toContain('an apple');
  });

  it.each([
    [['rerank', 'q'], 'Give documents'],
    [['rerank', ' ', 'd'], 'The query is empty'],
    [['rerank', 'q', 'd', '--file', 'x'], 'not both'],
    [['rerank', 'q', 'd', '-n', '0'], "option '-n, --top-n <count>' argument '0' is invalid"],
    [['search', 'q', '--filter', '[]'], 'It must be a JSON object'],
    [['search', 'q', '--stage', 'light:0'], 'It must be a whole number, 1 or more'],
    [['rerank', 'q', 'd', '--stage', ''], 'It must be model:keep'],
    [['search', 'q', '-m', 'a', '--stage', 'b'], 'cannot be used with option'],
    [['search', 'q', '-c', 'No Name'], 'A corpus name must be 1 to 63'],
    [['ingest', '-'], "required option '-c, --corpus <name>' not specified"],
    [['corpora', 'delete', 'c'], '--yes'],
    [['--json', 'up'], "option '--json' has no meaning"],
    [['status', '--url', 'nonsense'], '--url must be an address'],
    [['frobnicate'], "unknown command 'frobnicate'"],
  ])('refuses %j as usage', async (args, message) => {
    const run = await rerank(args);
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toContain(message);
    expect(server.requests).toEqual([]);
  });
});

describe('rerank corpora', () => {
  it('makes, shows, lists and deletes', async () => {
    const create = [
      'corpora',
      'create',
      'docs',
      '--chunking',
      'sentences',
      '--max-tokens',
      '128',
      '--field',
      'year=integer',
      '--field',
      'a=b=keyword',
    ];
    expect((await rerank(create)).stdout).toBe('Corpus docs is ready (version 1, 0 documents).\n');
    expect(JSON.parse(server.requests.at(-1)!.body)).toEqual({
      chunking: { mode: 'sentences', max_tokens: 128 },
      fields: { year: 'integer', 'a=b': 'keyword' },
    });
    expect((await rerank(['corpora', 'list'])).stdout).toContain('docs            0         0        1  bge-small-en-v1.5');
    expect((await rerank(['corpora', 'show', 'docs'])).stdout).toContain('chunking   sentences, at most 256 tokens');
    expect(JSON.parse((await rerank(['corpora', 'delete', 'docs', '--yes', '--json'])).stdout)).toEqual({ corpus: 'docs', deleted: true });
    expect(server.corpora.size).toBe(0);
  });
});

describe('rerank corpora create', () => {
  it('sets the cascade of a corpus, and takes it back', async () => {
    await rerank(['corpora', 'create', 'docs', '--stage', 'light:20', '--stage', 'heavy']);
    expect(JSON.parse(server.requests.at(-1)!.body)).toEqual({ stages: [{ model: 'light', keep: 20 }, { model: 'heavy' }] });
    expect((await rerank(['corpora', 'show', 'docs'])).stdout).toContain('stages     light keeps 20 → heavy');
    await rerank(['corpora', 'create', 'docs', '--no-stages']);
    expect(JSON.parse(server.requests.at(-1)!.body)).toEqual({ stages: [] });
    expect((await rerank(['corpora', 'show', 'docs'])).stdout).not.toContain('stages');
  });
});

describe('rerank status', () => {
  it('shows health, pools, workers, models and corpora', async () => {
    server.corpora.set('trees', new Map());
    const run = await rerank(['status']);
    expect(run.status).toBe(0);
    for (const part of [
      `${server.url}: ok`,
      'redis: ok',
      'default        1  ms-marco-MiniLM-L-12-v2',
      'cross-encoder  int8',
      'cpu 2x1 1,024 tuned',
      'trees',
    ]) {
      expect(run.stdout).toContain(part);
    }
    expect(JSON.parse((await rerank(['status', '--json'])).stdout)).toMatchObject({
      health: { status: 'ok' },
      pools: [{ pool: 'default', workers: 1 }],
      workers: [{ id: 'host-1-a', engine: { sessions: 2 } }],
      corpora: [{ name: 'trees' }],
    });
  });

  it('leaves the workers out for a key that may not see them', async () => {
    const body = JSON.stringify({ type: 'x', title: 'x', status: 403, detail: 'no', message: 'no', code: 'forbidden', instance: 'x' });
    server.faults.push({ on: 'GET /v1/admin/workers', status: 403, body });
    const run = await rerank(['status']);
    expect(run.status).toBe(0);
    expect(run.stdout).toContain('ms-marco-MiniLM-L-12-v2');
    expect(run.stdout).not.toContain('host-1-a');
  });

  it('ends with 1 when the service is not healthy, and with 4 when it is not there', async () => {
    const body = JSON.stringify({ status: 'error', checks: { redis: { status: 'error', detail: 'no answer' } } });
    server.faults.push({ on: 'GET /health', status: 503, body });
    const sick = await rerank(['status']);
    expect(sick.status).toBe(1);
    expect(sick.stdout).toContain('redis: error (no answer)');
    const { url } = server;
    await server.stop();
    const gone = await runCli(['status', '--json', '--url', url]);
    server = await new ContractServer().start();
    expect(gone).toMatchObject({ status: 4, stdout: '' });
    expect(gone.stderr).toBe(`error: nothing answers at ${url}: start it with \`npm start\` or \`rerank up\`\n`);
  });

  it('shows a job, and waits for it with --wait', async () => {
    await rerank(['ingest', '-', '-c', 'c', '--no-wait'], ndjson([{ text: 'x' }, { text: 'refuse me' }]));
    const run = await rerank(['status', 'job_1', '--wait']);
    expect(run).toMatchObject({
      status: 3,
      stdout: 'job_1: ingest into c, completed: 1 of 2 stored, 1 not\n  row 2: The store refused it.\n',
    });
    expect((await rerank(['status', 'job_7'])).stderr).toContain('There is no job "job_7". (job_not_found');
  });
});

describe('rerank', () => {
  it('sends the key of the environment, and refuses a faulty environment without showing it', async () => {
    await runCli(['corpora', 'list'], { env: { RERANK_URL: server.url, RERANK_API_KEY: 'a-secret-key' } });
    expect(server.requests[0]?.headers.authorization).toBe('Bearer a-secret-key');
    const run = await runCli(['status'], { env: { RERANK_API_KEY: 'secret with spaces' } });
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toContain('RERANK_API_KEY: must be printable');
    expect(run.stderr).not.toContain('secret with');
  });

  it('lists the exit statuses in its help, and its version', async () => {
    const help = await runCli(['--help']);
    expect(help.status).toBe(0);
    for (const code of [0, 1, 2, 3, 4, 130]) expect(help.stdout).toMatch(new RegExp(`^ {2}${code} +\\S`, 'm'));
    expect(await runCli(['--version'])).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string });
  });
});
