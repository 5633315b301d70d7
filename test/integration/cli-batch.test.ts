import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import type { BatchJobBody, JobBody } from '@rerank-fleet/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/stack.js';
import { FaultyProxy, gather, linesOf, ndjson, parseLines, rerankRows, startTinyStack, type OwnLine } from './cli-batch-support.js';
import { runCli, startCli, type CliRun } from './cli-process.js';

let stack: Awaited<ReturnType<typeof startTinyStack>>;
let folder: string;
let out: string;

beforeAll(async () => {
  stack = await startTinyStack();
  await stack.client.putCorpus('trees');
  const documents = ['prune apple trees in winter', 'bake an apple pie', 'plant a tree'].map((text, at) => ({ id: `d${at}`, text }));
  await stack.client.ingest('trees', documents, { wait: true });
});
afterAll(() => stack.remove());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rerank-batch-'));
  out = join(folder, 'out.jsonl');
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const environment = (url = stack.url) => ({ RERANK_URL: url });
const rerank = (args: readonly string[], input?: string | Uint8Array, url?: string): Promise<CliRun> =>
  runCli(args, { env: environment(url), ...(input === undefined ? {} : { input }) });
const write = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};
const files = async (): Promise<string[]> => (await readdir(folder)).sort();
const jobs = (): Promise<JobBody[]> => gather(stack.client.listJobs({ kind: 'batch' }));
const newest = async (): Promise<BatchJobBody> => (await jobs())[0] as BatchJobBody;
const ids = (lines: readonly OwnLine[]): (string | undefined)[] =>
  lines.map((line) => line.custom_id).sort((a = '', b = '') => Number(a.slice(1)) - Number(b.slice(1)));
const idsUpTo = (count: number): string[] => Array.from({ length: count }, (_, at) => `r${at + 1}`);
const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;
const cursorOf = (state: string): string | undefined => (JSON.parse(state) as { cursor?: string }).cursor;

/** Nothing ends meanwhile: the worker is held. */
async function whileWorkerIsHeld(work: () => Promise<void>): Promise<void> {
  const worker = stack.pid('worker');
  process.kill(worker, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(worker, 'SIGCONT');
  }
}

describe('rerank batch', () => {
  it('runs searches and reranks of a file, and leaves the results and nothing else', async () => {
    const input = await write('in.jsonl', ndjson([{ custom_id: 's1', query: 'apple' }, ...rerankRows(40)]));
    const run = await rerank(['batch', input, '-o', out, '--corpus', 'trees', '--top-n', '1']);
    expect(run.stderr).toMatch(/^Job job_\w+: 41 requests\.\n$/);
    expect(run.status).toBe(0);
    expect(run.stdout).toMatch(/^41 requests: 41 succeeded \(job job_\w+\)\. Results: .*out\.jsonl\n$/);
    const lines = await linesOf(out);
    expect(lines.map(({ custom_id: id, row }) => [id, row]).sort((a, b) => Number(a[1]) - Number(b[1]))).toEqual(
      ['s1', ...idsUpTo(40)].map((id, at) => [id, at + 1]),
    );
    for (const line of lines) {
      expect(line.status).toBe('succeeded');
      expect(line.result?.results).toHaveLength(1);
      expect(line).not.toHaveProperty('cursor');
    }
    expect(await files()).toEqual(['in.jsonl', 'out.jsonl']);
  });

  it('ends with 3 and names the lines of the file that did not succeed', async () => {
    const input = await write('in.jsonl', ndjson([{ job: { metadata: { run: '7' } } }, ...rerankRows(1), '{broken', { custom_id: 'x' }]));
    const run = await rerank(['batch', input, '-o', out, '--corpus', 'trees', '--json']);
    expect(run.status).toBe(3);
    expect(run.stderr).toContain('warning: 2 requests did not succeed:\n');
    expect(run.stderr).toContain(`${input}:3: `);
    expect(run.stderr).toContain(`${input}:4 (x): `);
    expect(JSON.parse(run.stdout)).toMatchObject({
      job: { status: 'completed', metadata: { run: '7' }, request_counts: { total: 3, succeeded: 1, errored: 2 } },
      output: out,
      failure_count: 2,
      failures: [
        { line: 3, status: 'errored' },
        { line: 4, custom_id: 'x' },
      ],
    });
    expect((await linesOf(out)).map(({ row, status }) => [row, status]).sort()).toEqual([
      [2, 'succeeded'],
      [3, 'errored'],
      [4, 'errored'],
    ]);
  });

  it('refuses all of it with --strict, and keeps nothing', async () => {
    const before = (await jobs()).length;
    const input = await write('in.jsonl', ndjson([...rerankRows(3), '{broken']));
    const run = await rerank(['batch', input, '-o', out, '--strict']);
    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toContain('strict');
    expect(await files()).toEqual(['in.jsonl']);
    expect(await jobs()).toHaveLength(before);
  });

  it('reads gzip from a file and stdin, and writes to stdout in the order of submission', async () => {
    const packed = gzipSync(ndjson(rerankRows(600)));
    for (const run of [
      await rerank(['batch', await write('in.jsonl.gz', packed), '--order', 'submission']),
      await rerank(['batch', '-', '--order', 'submission'], packed),
    ]) {
      expect(run.status).toBe(0);
      expect(run.stderr).toContain('600 requests: 600 succeeded');
      expect(parseLines(run.stdout).map(({ custom_id: id }) => id)).toEqual(idsUpTo(600));
    }
  });

  it('says what a job would cost, and runs nothing', async () => {
    const before = (await jobs()).length;
    const input = await write('in.jsonl', ndjson([...rerankRows(4), '{']));
    const run = await rerank(['batch', input, '--estimate', '--priority', '10']);
    expect(run.status).toBe(3);
    expect(run.stdout).toMatch(/^5 requests \(1 not valid\): 8 pairs, about \d+ tokens, /);
    expect(run.stderr).toContain(`in.jsonl:5: `);
    expect(await jobs()).toHaveLength(before);
  });

  it.each([
    ['a file that is not there', 'nowhere.jsonl', undefined, 2, 'There is no file or folder'],
    ['a folder', 'sub', undefined, 1, 'is a folder'],
    ['an empty file', 'empty.jsonl', '\n\n', 1, 'is empty'],
    ['a JSON array', 'array.json', '[{"custom_id":"a"}]', 1, 'begins as a JSON array'],
    ['a file without a good line', 'bad.jsonl', 'no json\n', 1, 'No request can be run'],
    ['damaged gzip', 'half.gz', gzipSync(ndjson(rerankRows(20_000))).subarray(0, 20_000), 1, 'half.gz is not whole gzip data'],
  ])('refuses %s, and leaves nothing behind', async (...[, name, content, status, message]) => {
    await mkdir(join(folder, 'sub'));
    const before = (await jobs()).length;
    const path = content === undefined ? join(folder, name) : await write(name, content);
    const run = await rerank(['batch', path, '-o', out]);
    expect(run.stderr).toContain(message);
    expect(run.status).toBe(status);
    expect((await files()).filter((file) => file.startsWith('out'))).toEqual([]);
    expect(await jobs()).toHaveLength(before);
  });

  it('refuses a command line that cannot be meant', async () => {
    const input = await write('in.jsonl', ndjson(rerankRows(1)));
    for (const [args, message] of [
      [['batch'], 'Say which file'],
      [['batch', '--resume'], 'name it with --output'],
      [['batch', '--resume', '-o', out], 'nothing to resume'],
      [['batch', input, '--json'], '--output'],
      [['batch', input, '--webhook', 'http://example.com'], '--webhook-secret-env'],
      [['batch', input, '--webhook', 'http://example.com', '--webhook-secret-env', 'NOT_SET'], 'NOT_SET'],
    ] as const) {
      const run = await rerank(args);
      expect(run.stderr).toContain(message);
      expect(run.status).toBe(2);
    }
    expect(await files()).toEqual(['in.jsonl']);
  });

  it('sends the options of the command line over those of the file, and the secret of a variable', async () => {
    const input = await write('in.jsonl', ndjson([{ job: { priority: 3, metadata: { run: '7' } } }, ...rerankRows(2)]));
    expect((await rerank(['batch', input, '--priority', '9', '--expires-in', '600', '--quiet'])).status).toBe(0);
    const job = await newest();
    expect(job).toMatchObject({ priority: 9, metadata: { run: '7' } });
    expect(job.expires_at - job.created_at).toBe(600);
    const args = ['batch', input, '--webhook', 'http://127.0.0.1:1/hook', '--webhook-secret-env', 'HOOK_SECRET'];
    const [refused, short] = await Promise.all(
      ['a secret of some length', 'short'].map((HOOK_SECRET) => runCli(args, { env: { ...environment(), HOOK_SECRET } })),
    );
    expect(refused?.stderr).toContain('webhook');
    expect(refused?.stderr).not.toContain('needs at least 16 characters');
    expect(short?.stderr).toContain('needs at least 16 characters');
  });

  it('ends with 4 where no service is, and leaves nothing behind', async () => {
    const gone = await new FaultyProxy(stack.url).start();
    await gone.stop();
    const input = await write('in.jsonl', ndjson(rerankRows(1)));
    const run = await rerank(['batch', input, '-o', out], undefined, gone.url);
    expect(run).toMatchObject({ status: 4, stdout: '' });
    expect(run.stderr).toContain(`nothing answers at ${gone.url}`);
    expect(await files()).toEqual(['in.jsonl']);
  });

  it('cannot write where there is no folder, and has sent nothing then', async () => {
    const before = (await jobs()).length;
    const run = await rerank(['batch', await write('in.jsonl', ndjson(rerankRows(1))), '-o', join(folder, 'no', 'out')]);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('there is no such folder');
    expect(await jobs()).toHaveLength(before);
  });
});

describe('rerank batch on faults', () => {
  let proxy: FaultyProxy;
  beforeEach(async () => {
    proxy = await new FaultyProxy(stack.url).start();
  });
  afterEach(() => proxy.stop());

  const ROWS = 3_000;
  const RESULTS = /^GET .*\/results/;

  it('writes each line once over connections that are cut in the middle of lines', async () => {
    const input = await write('in.jsonl', ndjson(rerankRows(ROWS)));
    for (const bytes of [100, 3_333, 70_001, 200_003]) proxy.faults.push({ on: RESULTS, bytes, then: 'cut' });
    const run = await rerank(['batch', input, '-o', out, '--quiet'], undefined, proxy.url);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(ids(await linesOf(out))).toEqual(idsUpTo(ROWS));
    expect(proxy.faults).toEqual([]);
    expect(proxy.seen.filter((line) => line.includes('/results?after=')).length).toBeGreaterThanOrEqual(3);
  });

  it.each([0, 1])('goes on where kill -9 has stopped it, and has each line once (%d bytes torn)', async (torn) => {
    const input = await write('in.jsonl', ndjson(rerankRows(ROWS)));
    proxy.faults.push({ on: RESULTS, bytes: 300_000, then: 'hold' });
    const killed = startCli(['batch', input, '-o', out], environment(proxy.url));
    await until(
      'some results on the disk',
      async () => (await sizeOf(`${out}.part`)) > 0 && cursorOf(await readFile(`${out}.state`, 'utf8')) !== undefined,
    );
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    // What the disk has of a write that was under way.
    if (torn > 0) await writeFile(`${out}.part`, '{"row":9,"custom_id":"r9","stat', { flag: 'a' });
    expect(await files()).toEqual(['in.jsonl', 'out.jsonl.part', 'out.jsonl.state']);

    const again = await rerank(['batch', input, '-o', out]);
    expect(again.status).toBe(2);
    expect(again.stderr).toContain('--resume');
    const before = (await jobs()).length;
    const resumed = await rerank(['batch', '--resume', '-o', out]);
    expect(resumed.stdout).toContain(`3,000 requests: 3,000 succeeded`);
    expect(resumed.status).toBe(0);
    expect(ids(await linesOf(out))).toEqual(idsUpTo(ROWS));
    expect(await files()).toEqual(['in.jsonl', 'out.jsonl']);
    expect(await jobs()).toHaveLength(before);
    expect((await rerank(['batch', '--resume', '-o', out])).stdout).toContain('is complete');
  });

  it('makes one job of an upload whose answer was lost', async () => {
    const before = (await jobs()).length;
    const input = await write('in.jsonl', ndjson(rerankRows(20)));
    proxy.faults.push({ on: /^POST \/v1\/jobs$/, bytes: 0, then: 'cut' });
    const run = await rerank(['batch', input, '-o', out], undefined, proxy.url);
    expect(run.status).toBe(0);
    expect(proxy.seen.filter((line) => line === 'POST /v1/jobs')).toHaveLength(2);
    expect(ids(await linesOf(out))).toEqual(idsUpTo(20));
    expect(await jobs()).toHaveLength(before + 1);
  });

  it('makes one job of an upload that was killed before its answer came', async () => {
    const before = (await jobs()).length;
    const input = await write('in.jsonl', ndjson(rerankRows(20)));
    proxy.faults.push({ on: /^POST \/v1\/jobs$/, bytes: 0, then: 'hold' });
    const killed = startCli(['batch', input, '-o', out, '--top-n', '1'], environment(proxy.url));
    await until('the job', async () => (await jobs()).length === before + 1);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    const resumed = await rerank(['batch', '--resume', '-o', out]);
    expect(resumed.status).toBe(0);
    expect((await linesOf(out)).map(({ row }) => row).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
    expect(await jobs()).toHaveLength(before + 1);
  });

  it('begins anew where somebody has cut the part file', async () => {
    const input = await write('in.jsonl', ndjson(rerankRows(ROWS)));
    proxy.faults.push({ on: RESULTS, bytes: 300_000, then: 'hold' });
    const stopped = startCli(['batch', input, '-o', out], environment(proxy.url));
    await until(
      'some results on the disk',
      async () => (await sizeOf(`${out}.part`)) > 0 && cursorOf(await readFile(`${out}.state`, 'utf8')) !== undefined,
    );
    stopped.kill('SIGINT');
    await once(stopped, 'exit');
    await writeFile(`${out}.part`, 'gone');
    expect((await rerank(['batch', '--resume', '-o', out])).status).toBe(0);
    expect(ids(await linesOf(out))).toEqual(idsUpTo(ROWS));
  });

  it('lets only one process write', async () => {
    const input = await write('in.jsonl', ndjson(rerankRows(10)));
    await whileWorkerIsHeld(async () => {
      const first = startCli(['batch', input, '-o', out], environment());
      await until('the job', async () => (await readFile(`${out}.state`, 'utf8').catch(() => '')).includes('"job":'));
      const second = await rerank(['batch', '--resume', '-o', out]);
      expect(second.status).toBe(2);
      expect(second.stderr).toContain(`as process ${first.pid}`);
      first.kill('SIGTERM');
      await once(first, 'exit');
    });
    expect((await rerank(['batch', '--resume', '-o', out])).status).toBe(0);
  });
});

describe('rerank batch, left alone', () => {
  it('detaches, and collects the results another time', async () => {
    const input = await write('in.jsonl', ndjson(rerankRows(50)));
    const run = await rerank(['batch', input, '-o', out, '--detach', '--json']);
    const { job } = JSON.parse(run.stdout) as { job: string };
    expect(run.status).toBe(0);
    expect(await stack.client.getJob(job)).toMatchObject({ request_counts: { total: 50 } });
    expect(await files()).toEqual(['in.jsonl', 'out.jsonl.state']);
    expect((await rerank(['batch', '--resume', '-o', out])).status).toBe(0);
    expect(ids(await linesOf(out))).toEqual(idsUpTo(50));
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('detaches on %s where nobody can be asked, and says how to go on', async (signal) => {
    const input = await write('in.jsonl', ndjson(rerankRows(50)));
    await whileWorkerIsHeld(async () => {
      const left = startCli(['batch', input, '-o', out], environment());
      await until('the job', async () => (await readFile(`${out}.state`, 'utf8').catch(() => '')).includes('"job":'));
      // Its results are being waited for: the interrupt is no longer that of the upload.
      await until('a follower', async () => (await newest()).status !== 'completed');
      left.kill(signal);
      const [said] = await Promise.all([readText(left.stderr), once(left, 'exit')]);
      expect(left.exitCode).toBe(130);
      expect(said).toContain(
        `Detached. The service goes on with job ${(await newest()).id}; \`rerank batch --resume -o ${out}\` goes on here.`,
      );
    });
    expect((await rerank(['batch', '--resume', '-o', out])).status).toBe(0);
    expect(ids(await linesOf(out))).toEqual(idsUpTo(50));
  });

  it('says no job was made of an upload that was interrupted', async () => {
    const before = (await jobs()).length;
    const sending = startCli(['batch', '-', '-o', out], environment());
    sending.stdin.write(ndjson(rerankRows(2)));
    await until('the run', async () => (await files()).includes('out.jsonl.state'));
    // Its first line is read before anything is sent.
    sending.kill('SIGINT');
    const [said] = await Promise.all([readText(sending.stderr), once(sending, 'exit')]);
    expect(sending.exitCode).toBe(130);
    expect(said).toContain('Interrupted before the service had said that it has everything');
    expect(await jobs()).toHaveLength(before);
  });

  it('keeps what was done of a job that somebody cancels, and ends with 1', async () => {
    const input = await write('in.jsonl', ndjson(rerankRows(50)));
    await whileWorkerIsHeld(async () => {
      const running = startCli(['batch', input, '-o', out], environment());
      await until('the job', async () => (await readFile(`${out}.state`, 'utf8').catch(() => '')).includes('"job":'));
      const cancelled = await rerank(['jobs', 'cancel', (await newest()).id]);
      expect(cancelled.status).toBe(0);
      const [said] = await Promise.all([readText(running.stderr), once(running, 'exit')]);
      expect(said).toMatch(/error: Job job_\w+ cancelled\./);
      expect(running.exitCode).toBe(1);
    });
    const lines = await linesOf(out);
    expect(ids(lines)).toEqual(idsUpTo(50));
    expect(lines.every(({ status }) => status === 'cancelled')).toBe(true);
  });
});
