import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TINY_FAULTS } from '../support/tiny-models/index.js';
import { tinyTokenizer } from '../support/tiny-models/tiny-tokenizers.js';
import type { WorkerExit } from '../support/worker-process.js';
import { WorkerStack } from './worker-support.js';

/** Runs for a tenth of a second each when alone. */
const SLOW = Array.from({ length: 12 }, (_, index) => `${TINY_FAULTS.slow} ${index}`);
const ALONE = { deterministic: true } as const;
/** A lock's life, the checks for stalled tasks, and some. */
const REDELIVERED_MS = 12_000;

let stack: WorkerStack;

/** In bytes. */
const rssOf = async (pid: number): Promise<number> =>
  Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;

beforeEach(async () => {
  stack = await WorkerStack.start();
});
afterEach(() => stack.stop());

describe('a request whose worker', () => {
  it('is killed is answered by another, inside its deadline', async () => {
    const victim = await stack.startWorker();
    const answer = stack.call(await stack.rerankBody(SLOW, ALONE), { timeoutMs: REDELIVERED_MS + 5_000 });
    await stack.taken(1);
    await victim.end('SIGKILL');
    await stack.startWorker();
    expect((await answer).results).toHaveLength(SLOW.length);
  });

  it('is told to stop is answered before the worker ends', async () => {
    const worker = await stack.startWorker();
    const answer = stack.call(await stack.rerankBody(SLOW, ALONE));
    await stack.taken(1);
    const exit = worker.end('SIGTERM');
    expect((await answer).results).toHaveLength(SLOW.length);
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(await stack.api.fleet.live()).toEqual([]);
  });

  it('stops in order before the end, time and again, is not taken for its killer', async () => {
    let worker = await stack.startWorker({ DRAIN_MS: '0' });
    const answer = stack.call(await stack.rerankBody(SLOW, ALONE), { timeoutMs: 4 * REDELIVERED_MS });
    for (const turn of [1, 2]) {
      await stack.taken(turn);
      await worker.end('SIGTERM');
      worker = await stack.startWorker({ DRAIN_MS: '0' });
    }
    expect((await answer).results).toHaveLength(SLOW.length);
  });

  it('dies of it twice is given up with internal_error, and the others are answered', async () => {
    const settings = { BATCH_TIMEOUT_MS: '1000' };
    let worker = await stack.startWorker(settings);
    const poison = stack.call(await stack.rerankBody([TINY_FAULTS.hangs]), { timeoutMs: 4 * REDELIVERED_MS });
    const outcome = poison.catch((error: unknown) => error);
    for (const turn of [1, 2]) {
      await stack.taken(turn);
      expect(await Promise.race([worker.exited, sleep(5_000, 'still running')])).not.toBe('still running');
      worker = await stack.startWorker(settings);
    }
    expect(await outcome).toMatchObject({ code: 'internal_error', detail: expect.stringContaining('twice') as string });
    expect((await stack.call(await stack.rerankBody(['apple']))).results).toHaveLength(1);
  });
});

describe('a text that crashes the process of a worker', () => {
  /** Its word ends any worker that runs it. */
  const CRASHING = 'shears';
  const crashing = (): Readonly<Record<string, string>> => ({
    NODE_OPTIONS: `--import ${new URL('inference-programs/crash-on-word.mjs', import.meta.url).href}`,
    CRASH_TOKEN: String(tinyTokenizer('bert').ids.get(CRASHING)),
  });

  it('takes a worker down twice, the second time alone, and is given up; requests beside it are answered', async () => {
    let worker = await stack.startWorker(crashing());
    const long = { timeoutMs: 5 * REDELIVERED_MS };
    // In one batch with the crashing one, or waiting for it.
    const innocents = [0, 1, 2].map(async (n) => await stack.call(await stack.rerankBody([`apple ${n}`, `pie ${n}`]), long));
    const poison = stack.call(await stack.rerankBody(['apple', CRASHING, 'pie']), long).catch((error: unknown) => error);
    // Judged at the end; a failure before that must not go unheard of.
    for (const innocent of innocents) innocent.catch(() => undefined);
    const exits: WorkerExit[] = [];
    for (const turn of [1, 2]) {
      exits.push(await worker.exited);
      worker = await stack.startWorker(crashing());
      expect(turn).toBe(exits.length);
    }
    expect(exits).toEqual(Array(2).fill({ code: null, signal: 'SIGSEGV' }));
    expect(await poison).toMatchObject({ code: 'internal_error', detail: expect.stringContaining('twice') as string });
    for (const innocent of innocents) expect((await innocent).results).toHaveLength(2);
    expect((await stack.call(await stack.rerankBody(['apple']))).results).toHaveLength(1);
  });
});

describe('a worker whose memory grows', () => {
  it('ends the tasks in hand, exits with status 75, and leaves the fleet', async () => {
    const settings = { MAX_BATCH_TOKENS: '4000000', DRAIN_MS: '60000' };
    const plain = await stack.startWorker(settings);
    const limit = (await rssOf(plain.pid)) + 24 * 2 ** 20;
    await plain.end();
    const worker = await stack.startWorker({ ...settings, WORKER_MAX_RSS_BYTES: String(limit) });
    let grown = false;
    void worker.logged(({ message }) => String(message).includes('has grown too far')).then(() => (grown = true));
    // One batch of a hundred thousand tokens: far more than the limit leaves.
    const large = Array.from({ length: 800 }, () => 'apple tree '.repeat(100));
    const calls = [stack.call(await stack.rerankBody(large), { timeoutMs: 40_000 })];
    const slow = await stack.rerankBody(SLOW.slice(0, 2), ALONE);
    while (!grown) {
      const call = stack.call(slow, { timeoutMs: 10_000 });
      calls.push(call);
      await call.catch(() => undefined);
    }
    const answered = (await Promise.allSettled(calls)).filter(({ status }) => status === 'fulfilled').length;
    // The last one may have come too late to be taken; what was taken was answered.
    expect(answered).toBeGreaterThanOrEqual(calls.length - 1);
    await stack.taken(answered);
    expect(await worker.exited).toEqual({ code: 75, signal: null });
    expect(await stack.api.fleet.live()).toEqual([]);
  });
});

describe('a worker', () => {
  it('ends when its supervisor has gone', async () => {
    const worker = await stack.startWorker();
    worker.disconnect();
    expect(await worker.exited).toEqual({ code: 0, signal: null });
  });

  it('refuses to start, with the status that no supervisor tries again, when a model cannot be loaded', async () => {
    const worker = stack.spawnWorker({ EMBEDDING_MODEL: '/nowhere/model' });
    expect(await worker.exited).toEqual({ code: 78, signal: null });
    expect(worker.text).toContain('/nowhere/model is not a folder');
  });
});

describe('a request that nobody waits for', () => {
  it('stops using the model when the client leaves', async () => {
    await stack.startWorker();
    const many = Array.from({ length: 100 }, (_, index) => `${TINY_FAULTS.slow} ${index}`);
    const client = new AbortController();
    const left = stack.call(await stack.rerankBody(many, ALONE), { signal: client.signal });
    await stack.taken(1);
    client.abort(new Error('the client left'));
    await expect(left).rejects.toThrow('the client left');
    const startedAt = performance.now();
    await stack.call(await stack.rerankBody(['apple']));
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('stops using the model at its deadline', async () => {
    await stack.startWorker();
    const many = Array.from({ length: 100 }, (_, index) => `${TINY_FAULTS.slow} ${index}`);
    await expect(stack.call(await stack.rerankBody(many, ALONE), { timeoutMs: 500 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const startedAt = performance.now();
    await stack.call(await stack.rerankBody(['apple']));
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});
