import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { BatchJobBody, JobResultLine } from '@rerank-fleet/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/stack.js';
import { FaultyProxy, linesOf, ndjson, parseLines, rerankRows, startTinyStack } from './cli-batch-support.js';
import { runCli, startCli, type CliRun } from './cli-process.js';

const BIN = fileURLToPath(new URL('../../apps/cli/bin/rerank.mjs', import.meta.url));

let stack: Awaited<ReturnType<typeof startTinyStack>>;
let folder: string;

beforeAll(async () => {
  stack = await startTinyStack();
});
afterAll(() => stack.remove());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rerank-jobs-cli-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const rerank = (...args: readonly string[]): Promise<CliRun> => runCli(args, { env: { RERANK_URL: stack.url } });
/** Five good rows and a bad one, in line 6. */
async function mixedJob(): Promise<BatchJobBody> {
  const job = await stack.client.submitJob({ ndjson: [Buffer.from(ndjson([...rerankRows(5), { custom_id: 'bad' }]))] });
  return (await stack.client.waitForJob(job.id)) as BatchJobBody;
}

async function held(work: () => Promise<void>): Promise<void> {
  const worker = stack.pid('worker');
  process.kill(worker, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(worker, 'SIGCONT');
  }
}

describe('rerank jobs', () => {
  it('lists jobs as a table and as JSON, newest first', async () => {
    const [first, second] = [await mixedJob(), await mixedJob()];
    const run = await rerank('jobs', 'list', '--limit', '2');
    expect(run.status).toBe(0);
    const lines = run.stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^job +kind +status +requests +done +errored +left +made \(UTC\)/);
    expect(lines.slice(1).map((line) => line.split(/\s+/).slice(0, 6))).toEqual([
      [second.id, 'batch', 'completed', '6', '6', '1'],
      [first.id, 'batch', 'completed', '6', '6', '1'],
    ]);
    const listed = JSON.parse((await rerank('jobs', 'list', '--json', '--status', 'completed', '--limit', '1')).stdout) as BatchJobBody[];
    expect(listed.map(({ id }) => id)).toEqual([second.id]);
    expect((await rerank('jobs', 'list', '--status', 'failed')).stdout).toBe('There is no such job.\n');
  });

  it('shows a job, and says of one that is not there', async () => {
    const job = await mixedJob();
    const run = await rerank('jobs', 'show', job.id);
    expect(run.stdout).toContain(`job        ${job.id}\nstatus     completed\nrequests   6 requests: 5 succeeded, 1 errored\n`);
    expect((await rerank('status', job.id)).stdout).toBe(run.stdout);
    expect(await rerank('jobs', 'show', 'job_0')).toMatchObject({ status: 1, stderr: expect.stringContaining('job_not_found') as string });
  });

  it('watches a job to its end, and tells by the exit status how that was', async () => {
    await held(async () => {
      const job = await stack.client.submitJob({ ndjson: [Buffer.from(ndjson([...rerankRows(200), '{']))] });
      const proxy = await new FaultyProxy(stack.url).start();
      const watch = (...flags: readonly string[]) => startCli(['jobs', 'watch', job.id, ...flags], { RERANK_URL: proxy.url });
      const [watching, left] = [watch('--json'), watch()];
      await until('both to follow', () => proxy.seen.filter((line) => line.endsWith('/events')).length === 2);
      left.kill('SIGINT');
      const [said] = await Promise.all([readText(left.stderr), once(left, 'exit')]);
      expect(left.exitCode).toBe(130);
      expect(said).toContain(`Job ${job.id} goes on`);
      process.kill(stack.pid('worker'), 'SIGCONT');
      const [shown] = await Promise.all([readText(watching.stdout), once(watching, 'exit')]);
      expect(JSON.parse(shown)).toMatchObject({ id: job.id, status: 'completed', request_counts: { succeeded: 200, errored: 1 } });
      expect(watching.exitCode).toBe(3);
      await proxy.stop();
    });
  });

  it('gives result lines to stdout and to a file, errors alone, and behind a cursor', async () => {
    const { id } = await mixedJob();
    const run = await rerank('jobs', 'results', id, '--order', 'submission');
    const lines = parseLines(run.stdout) as JobResultLine[];
    expect(lines.map(({ row }) => row)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const rest = await rerank('jobs', 'results', id, '--order', 'submission', '--after', lines[3]!.cursor);
    expect(parseLines(rest.stdout).map(({ row }) => row)).toEqual([5, 6]);
    const path = join(folder, 'errors.jsonl');
    expect((await rerank('jobs', 'results', id, '--errors', '-o', path)).stdout).toBe(`1 line written to ${path}.\n`);
    expect(await linesOf(path)).toMatchObject([{ custom_id: 'bad', row: 6, status: 'errored' }]);
    expect((await rerank('jobs', 'results', id, '--json')).status).toBe(2);
    expect((await rerank('jobs', 'results', id, '--after', 'x')).stderr).toContain('is not a cursor');
    expect((await rerank('jobs', 'results', id, '-o', join(folder, 'no', 'file'))).stderr).toContain('there is no such folder');
  });

  it('loses no line of a copy to a file that is interrupted, and says where the rest is', async () => {
    await held(async () => {
      const { id } = await stack.client.submitJob({ ndjson: [Buffer.from(ndjson([...rerankRows(5), '{']))] });
      const path = join(folder, 'all.jsonl');
      const copying = startCli(['jobs', 'results', id, '--follow', '-o', path], { RERANK_URL: stack.url });
      await until('a line to come', async () => (await readFile(`${path}.part`, 'utf8').catch(() => '')) !== '');
      copying.kill('SIGINT');
      const [said] = await Promise.all([readText(copying.stderr), once(copying, 'exit')]);
      expect(copying.exitCode).toBe(130);
      const cursor = new RegExp(`What came is in ${path}\\.part; --after (\\S+) gives the rest, into another file`).exec(said)?.[1] ?? '';
      process.kill(stack.pid('worker'), 'SIGCONT');
      await stack.client.waitForJob(id);
      const rest = join(folder, 'rest.jsonl');
      expect((await rerank('jobs', 'results', id, '--after', cursor, '-o', rest)).status).toBe(0);
      const rows = [...(await linesOf(`${path}.part`)), ...(await linesOf(rest))].map(({ row }) => row);
      expect(rows.sort()).toEqual([1, 2, 3, 4, 5, 6]);
    });
  });

  it('cancels a job, and says so of one that had ended', async () => {
    const { id } = await mixedJob();
    const late = await rerank('jobs', 'cancel', id);
    expect(late.status).toBe(1);
    expect(late.stderr).toContain('had ended before');
    await held(async () => {
      const job = await stack.client.submitJob({ ndjson: [Buffer.from(ndjson(rerankRows(5)))] });
      const run = await rerank('jobs', 'cancel', job.id);
      expect(run.status).toBe(0);
      expect(run.stdout).toMatch(new RegExp(`^Job ${job.id} is cancell(ing|ed);`));
    });
  });

  it('refuses to retry where nothing can be, and deletes', async () => {
    const { id } = await mixedJob();
    expect((await rerank('jobs', 'retry', id)).stderr).toContain('job_not_retryable');
    expect((await rerank('jobs', 'delete', id)).stdout).toBe(`Job ${id} deleted.\n`);
    expect((await rerank('jobs', 'show', id)).status).toBe(1);
  });

  it('retries what errored while the job ran, as a new job', async () => {
    const tooLong = { custom_id: 'long', query: 'apple', documents: ['apple '.repeat(2_000)], long_document: 'error' };
    const { id } = await stack.client.submitJob({ ndjson: [Buffer.from(ndjson([...rerankRows(3), tooLong]))] });
    expect((await stack.client.waitForJob(id)).request_counts).toMatchObject({ succeeded: 3, errored: 1 });
    const run = await rerank('jobs', 'retry', id);
    const [, made = ''] = /^Job (job_\w+) retries 1 request of job_/.exec(run.stdout) ?? [];
    expect(run.status).toBe(0);
    expect(await stack.client.getJob(made)).toMatchObject({ retry_of: id, request_counts: { total: 1 } });
    expect((await rerank('jobs', 'watch', made)).status).toBe(3);
    expect((await rerank('jobs', 'list')).stdout).toContain(`retry of ${id}`);
  });
});

describe('rerank batch on a terminal', () => {
  const hasScript = spawnSync('script', ['--version']).status === 0;

  /** The command under a terminal of its own, made by `script`. */
  function onTerminal(args: readonly string[]) {
    // In the place of the shell, which would tell of the interrupt by a status of its own.
    const command = `exec ${[process.execPath, BIN, ...args].map((part) => `'${part}'`).join(' ')}`;
    const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
      env: { RERANK_URL: stack.url, TERM: 'xterm', PATH: '/usr/bin:/bin', SHELL: '/bin/sh' },
      stdio: 'pipe',
    });
    let shown = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
    return { child, shown: () => shown, press: (keys: string) => child.stdin.write(keys) };
  }
  const CTRL_C = '\u0003';

  it('shows a bar, asks on Ctrl-C, and cancels when told to', async (context) => {
    context.skip(!hasScript, 'there is no `script` of util-linux');
    const [input, out] = [join(folder, 'in.jsonl'), join(folder, 'out.jsonl')];
    await writeFile(input, ndjson(rerankRows(50)));
    await held(async () => {
      const { child, shown, press } = onTerminal(['batch', input, '-o', out]);
      await until('the bar', () => shown().includes('of 50 rows'));
      press(CTRL_C);
      await until('the question', () => shown().includes('[d]etach and leave it running, or [c]ancel it?'));
      const rows = shown().split('of 50 rows').length;
      press('\r');
      await until('the bar again', () => shown().split('of 50 rows').length > rows);
      press(CTRL_C);
      await until('the question again', () => shown().split('of 50 rows').at(-1)!.includes('[c]ancel it?'));
      press('c\r');
      await until('the cancelling', () => shown().includes('Cancelling job'));
      process.kill(stack.pid('worker'), 'SIGCONT');
      await once(child, 'exit');
      expect(shown()).toMatch(/50 requests: 0 succeeded, 50 cancelled/);
      expect(child.exitCode).toBe(1);
    });
    expect((await linesOf(out)).every(({ status }) => status === 'cancelled')).toBe(true);
  });

  it('detaches at once on a second Ctrl-C, and when told to', async (context) => {
    context.skip(!hasScript, 'there is no `script` of util-linux');
    const [input, out] = [join(folder, 'in.jsonl'), join(folder, 'out.jsonl')];
    await writeFile(input, ndjson(rerankRows(50)));
    await held(async () => {
      for (const [args, keys] of [
        [['batch', input, '-o', out], CTRL_C],
        [['batch', '--resume', '-o', out], 'd\r'],
      ] as const) {
        const { child, shown, press } = onTerminal(args);
        await until('the bar', () => shown().includes('of 50 rows'));
        press(CTRL_C);
        await until('the question', () => shown().includes('[c]ancel it?'));
        press(keys);
        await once(child, 'exit');
        expect(shown()).toContain('Detached. The service goes on');
        expect(child.exitCode).toBe(130);
      }
    });
    expect((await rerank('batch', '--resume', '-o', out)).status).toBe(0);
    expect(parseLines(await readFile(out, 'utf8'))).toHaveLength(50);
  });
});
