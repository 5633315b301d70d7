import { describe, expect, it } from 'vitest';
import { CliRig, ndjson } from './cli-commands-support.js';
import { runCli } from './cli-process.js';
import { ContractServer } from './cli-contract-server.js';

const rig = new CliRig();
const { rerank } = rig;

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
    expect(JSON.parse(rig.server.requests.at(-1)!.body)).toEqual({
      chunking: { mode: 'sentences', max_tokens: 128 },
      fields: { year: 'integer', 'a=b': 'keyword' },
    });
    expect((await rerank(['corpora', 'list'])).stdout).toContain('docs            0         0        1  bge-small-en-v1.5');
    expect((await rerank(['corpora', 'show', 'docs'])).stdout).toContain('chunking   sentences, at most 256 tokens');
    expect(JSON.parse((await rerank(['corpora', 'delete', 'docs', '--yes', '--json'])).stdout)).toEqual({ corpus: 'docs', deleted: true });
    expect(rig.server.corpora.size).toBe(0);
  });
});

describe('rerank corpora create', () => {
  it('sets the cascade of a corpus, and takes it back', async () => {
    await rerank(['corpora', 'create', 'docs', '--stage', 'light:20', '--stage', 'heavy']);
    expect(JSON.parse(rig.server.requests.at(-1)!.body)).toEqual({ stages: [{ model: 'light', keep: 20 }, { model: 'heavy' }] });
    expect((await rerank(['corpora', 'show', 'docs'])).stdout).toContain('stages     light keeps 20 → heavy');
    await rerank(['corpora', 'create', 'docs', '--no-stages']);
    expect(JSON.parse(rig.server.requests.at(-1)!.body)).toEqual({ stages: [] });
    expect((await rerank(['corpora', 'show', 'docs'])).stdout).not.toContain('stages');
  });
});

describe('rerank status', () => {
  it('shows health, pools, workers, models and corpora', async () => {
    rig.server.corpora.set('trees', new Map());
    const run = await rerank(['status']);
    expect(run.status).toBe(0);
    for (const part of [
      `${rig.server.url}: ok`,
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
    rig.server.faults.push({ on: 'GET /v1/admin/workers', status: 403, body });
    const run = await rerank(['status']);
    expect(run.status).toBe(0);
    expect(run.stdout).toContain('ms-marco-MiniLM-L-12-v2');
    expect(run.stdout).not.toContain('host-1-a');
  });

  it('says nothing of what the key may not see, and why', async () => {
    const detail = 'This API key lacks the scope "search".';
    const body = JSON.stringify({ type: 'x', title: 'x', status: 403, detail, message: detail, code: 'forbidden', instance: 'x' });
    for (const on of ['GET /v1/models', 'GET /v1/corpora']) rig.server.faults.push({ on, status: 403, body });
    const run = await rerank(['status']);
    expect(run.status).toBe(1);
    expect(run.stdout).toContain('redis: ok');
    expect(run.stdout).not.toMatch(/No worker is live|There is no corpus/);
    expect(run.stderr).toContain(detail);
  });

  it('ends with 1 when the service is not healthy, and with 4 when it is not there', async () => {
    const body = JSON.stringify({ status: 'error', checks: { redis: { status: 'error', detail: 'no answer' } } });
    rig.server.faults.push({ on: 'GET /health', status: 503, body });
    const sick = await rerank(['status']);
    expect(sick.status).toBe(1);
    expect(sick.stdout).toContain('redis: error (no answer)');
    const { url } = rig.server;
    await rig.server.stop();
    const gone = await runCli(['status', '--json', '--url', url]);
    rig.server = await new ContractServer().start();
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
    await runCli(['corpora', 'list'], { env: { RERANK_URL: rig.server.url, RERANK_API_KEY: 'a-secret-key' } });
    expect(rig.server.requests[0]?.headers.authorization).toBe('Bearer a-secret-key');
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
