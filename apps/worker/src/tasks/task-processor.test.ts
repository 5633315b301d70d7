import { TASK_VERSION, type IngestTask, type TaskOutcome, type TaskPayload, type TaskResult } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it, vi } from 'vitest';
import { TaskProcessor, type TaskHandlers } from './task-processor.js';

const NOW = 1_000_000;
const CORPUS = { kind: 'corpus', corpus: 'docs', change: { op: 'delete' } } as const;
const BATCH = { kind: 'batch', job_id: 'job', slice: 0 } as const;
const INGEST: IngestTask = { kind: 'ingest', job_id: 'job', slice: 0 };
const DONE = { kind: 'corpus', deleted: 1 } as const;

/** The worker's surroundings in memory: a board as Redis keeps it, one clock. */
/** What these tests look at of a handler's context. */
interface TestContext {
  readonly signal: AbortSignal;
  readonly isolate?: (part: () => Promise<void>) => Promise<void>;
  readonly beside?: (part: () => Promise<void>) => Promise<void>;
}

function start(handle: (signal: AbortSignal) => Promise<TaskOutcome> = async () => DONE) {
  const fences = new Map<string, number>();
  const givenBack = new Map<string, number>();
  const results = new Map<string, TaskResult>();
  const bodies = new Map<string, unknown>();
  const followed = new Map<string, AbortController>();
  const add = (counts: Map<string, number>, id: string): number => counts.set(id, (counts.get(id) ?? 0) + 1).get(id) ?? 0;
  const handler = vi.fn((_: unknown, { signal }: TestContext) => handle(signal));
  const giveUpIngest = vi.fn(async () => undefined);
  const processor = new TaskProcessor({
    board: {
      takeFence: async (id, _ttl, taskAttempt) => {
        const fence = add(fences, id);
        if (taskAttempt !== undefined && fence - 1 - taskAttempt > 0) add(givenBack, id);
        return fence;
      },
      publish: async (id, fence, result) => {
        if (fences.get(id) !== fence || results.has(id)) return false;
        results.set(id, JSON.parse(result) as TaskResult);
        return true;
      },
      hasResult: async (id) => results.has(id),
      forget: async (id) => void (fences.delete(id), givenBack.delete(id)),
      giveBack: async (id) => void add(givenBack, id),
      timesGivenBack: async (id) => givenBack.get(id) ?? 0,
    },
    bodies: { fetch: async (ref) => bodies.get(ref), drop: async (ref) => void bodies.delete(ref) },
    cancels: { follow: async (id, controller) => void followed.set(id, controller), release: (id) => void followed.delete(id) },
    clock: { now: () => NOW },
    log: { warn: () => undefined, error: () => undefined },
    handlers: { rerank: handler, search: handler, ingest: handler, batch: handler, corpus: handler } as unknown as TaskHandlers,
    giveUpIngest,
  });
  const take = (overrides: Partial<TaskPayload> = {}, attempt = 0): Promise<void> => {
    const payload = {
      v: TASK_VERSION,
      id: 'task',
      tenant: 'default',
      request_id: 'r',
      pool: 'p',
      enqueued_ms: NOW - 5,
      deadline_ms: NOW + 60_000,
      body: CORPUS,
    };
    return processor.handle({ id: 'task', payload: { ...payload, ...overrides }, attempt });
  };
  return { processor, take, handler, giveUpIngest, fences, givenBack, results, bodies, followed };
}

const failure = (code: string) => ({ status: 'failed', error: expect.objectContaining({ code }) as unknown });

describe('TaskProcessor', () => {
  it('publishes what the handler gives', async () => {
    const { take, results } = start();
    await take();
    expect(results.get('task')).toEqual({ status: 'succeeded', outcome: DONE });
  });

  it('gives expired work to no handler', async () => {
    const { take, handler, results } = start();
    await take({ deadline_ms: NOW });
    expect([handler.mock.calls.length, results.size]).toEqual([0, 0]);
  });

  it('publishes a fault of the request as it is, and any other as internal_error without its text', async () => {
    const known = start(async () => Promise.reject(new RerankError('query_too_long', 'shorten it')));
    await known.take();
    expect(known.results.get('task')).toMatchObject({ status: 'failed', error: { code: 'query_too_long', detail: 'shorten it' } });
    const unknown = start(async () => Promise.reject(new Error('secret')));
    await unknown.take();
    expect(unknown.results.get('task')).toEqual(failure('internal_error'));
    expect(JSON.stringify(unknown.results.get('task'))).not.toContain('secret');
  });

  it('throws what fails without a deadline, so that the queue tries again or reports it dead', async () => {
    for (const code of ['storage_full', 'corpus_not_found'] as const) {
      const { take, results } = start(async () => Promise.reject(new RerankError(code, 'x')));
      await expect(take({ deadline_ms: undefined, body: INGEST })).rejects.toMatchObject({ code });
      expect(results.size).toBe(0);
    }
  });

  it('refuses a payload of another version, and says so to who waits', async () => {
    const { take, handler, results } = start();
    await expect(take({ v: 99 as typeof TASK_VERSION })).rejects.toMatchObject({ code: 'model_unavailable' });
    expect(results.get('task')).toEqual(failure('model_unavailable'));
    expect(handler).not.toHaveBeenCalled();
  });

  it('aborts the handler with deadline_exceeded at the deadline', async () => {
    const { take, results } = start(
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    );
    await take({ deadline_ms: NOW + 20 });
    expect(results.get('task')).toEqual(failure('deadline_exceeded'));
  });

  it('aborts the handler when the task is cancelled, and follows it no longer', async () => {
    const { take, followed, results } = start(
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    );
    const taken = take();
    await vi.waitFor(() => expect(followed.has('task')).toBe(true));
    await new Promise((resolve) => setImmediate(resolve));
    followed.get('task')?.abort(new Error('nobody waits'));
    await taken;
    expect(results.get('task')?.status).toBe('failed');
    expect(followed.size).toBe(0);
  });

  describe('a task that is taken again', () => {
    it('after one death is run, alone', async () => {
      const { take, fences, results } = start();
      fences.set('task', 1);
      await take();
      expect(results.get('task')?.status).toBe('succeeded');
    });

    it('after one death waits for its turn alone without another death being counted, should its worker die of what runs before it', async () => {
      const turn = Promise.withResolvers<TaskOutcome>();
      const { take, fences, givenBack, handler, results } = start(() => turn.promise);
      fences.set('poison', 1).set('task', 1);
      const poison = take({ id: 'poison' });
      await vi.waitFor(() => expect(handler).toHaveBeenCalledOnce());
      const waiting = take();
      await vi.waitFor(() => expect(givenBack.get('task')).toBe(1));
      // Taken before, less given back: the one death that there was.
      expect(fences.get('task')! - givenBack.get('task')!).toBe(1);
      turn.resolve(DONE);
      await Promise.all([poison, waiting]);
      expect(fences.get('task')! - givenBack.get('task')!).toBe(2);
      expect(results.get('task')).toEqual({ status: 'succeeded', outcome: DONE });
    });

    it('after two deaths is given up with internal_error, without a run', async () => {
      const { take, fences, results, handler } = start();
      fences.set('task', 2);
      await take();
      expect(results.get('task')).toEqual(failure('internal_error'));
      expect(handler).not.toHaveBeenCalled();
    });

    it('after two deaths reports its documents as errored', async () => {
      const { take, fences, giveUpIngest } = start();
      fences.set('task', 2);
      await take({ deadline_ms: undefined, body: INGEST });
      expect(giveUpIngest).toHaveBeenCalledExactlyOnceWith('default', INGEST, expect.objectContaining({ code: 'internal_error' }));
    });

    it('after failed attempts is run: an attempt is no death', async () => {
      const { take, fences, results } = start();
      fences.set('task', 5);
      await take({}, 5);
      expect(results.get('task')?.status).toBe('succeeded');
    });

    it('after its answer is not run again', async () => {
      const { take, handler } = start();
      await take();
      await take();
      expect(handler).toHaveBeenCalledTimes(1);
    });

    it('after orderly stops is run: giving back is no death', async () => {
      const { take, fences, givenBack, results } = start();
      fences.set('task', 3);
      givenBack.set('task', 3);
      await take();
      expect(results.get('task')?.status).toBe('succeeded');
    });
  });

  it('counts no death where its own lock expired under it', async () => {
    const leave: (() => void)[] = [];
    const { take, fences, givenBack, handler, results } = start(() => new Promise((resolve) => leave.push(() => resolve(DONE))));
    const first = take();
    await vi.waitFor(() => expect(handler).toHaveBeenCalledTimes(1));
    const second = take();
    await vi.waitFor(() => expect(handler).toHaveBeenCalledTimes(2));
    expect(fences.get('task')! - givenBack.get('task')!).toBe(1);
    leave.forEach((end) => end());
    await Promise.all([first, second]);
    expect(results.get('task')?.status).toBe('succeeded');
  });

  it('holds calls back for a part of a slice that a worker died under, not for the slice', async () => {
    const log: string[] = [];
    let goOn: () => void = () => undefined;
    const between = new Promise<void>((resolve) => (goOn = resolve));
    const { take, fences, handler } = start();
    handler.mockImplementation(async (body: unknown, context: TestContext) => {
      if ((body as { kind: string }).kind !== 'ingest') return DONE;
      await context.isolate?.(async () => void log.push('a part, alone'));
      await between;
      log.push('the slice');
      return { kind: 'ingest', succeeded: 0, errors: [] };
    });
    fences.set('slice', 1);
    const slice = take({ id: 'slice', deadline_ms: undefined, body: INGEST });
    await vi.waitFor(() => expect(log).toHaveLength(1));
    await take({ id: 'call' });
    log.push('the call');
    goOn();
    await slice;
    expect(log).toEqual(['a part, alone', 'the call', 'the slice']);
  });

  it('waits for a row of a batch that is in hand, not for its slice, to run a suspect alone', async () => {
    const log: string[] = [];
    let goOn: () => void = () => undefined;
    const between = new Promise<void>((resolve) => (goOn = resolve));
    const { take, fences, handler } = start();
    handler.mockImplementation(async (body: unknown, context: TestContext) => {
      if ((body as { kind: string }).kind !== 'batch') return DONE;
      await context.beside?.(async () => void log.push('a row'));
      await between;
      log.push('the slice');
      return { kind: 'batch' };
    });
    const slice = take({ id: 'slice', deadline_ms: undefined, body: BATCH });
    await vi.waitFor(() => expect(log).toHaveLength(1));
    fences.set('call', 1);
    await take({ id: 'call' });
    log.push('the call');
    goOn();
    await slice;
    expect(log).toEqual(['a row', 'the call', 'the slice']);
  });

  it('starts anew with a slice that was queued again as it ended', async () => {
    const { take, handler, fences } = start();
    await take({ deadline_ms: undefined, body: INGEST });
    expect(fences.size).toBe(0);
    await take({ deadline_ms: undefined, body: INGEST });
    expect(handler.mock.calls.map(([, context]) => 'isolate' in context)).toEqual([false, false]);
  });

  it('gives back what an orderly stop leaves undone, and answers it no more', async () => {
    let leave: () => void = () => undefined;
    const { take, processor, givenBack, results, handler } = start(() => new Promise((resolve) => (leave = () => resolve(DONE))));
    const abandoned = take();
    await vi.waitFor(() => expect(handler).toHaveBeenCalled());
    await processor.giveBack();
    leave();
    await abandoned;
    expect([givenBack.get('task'), results.size]).toEqual([1, 0]);
  });

  it('leaves the body to the worker that holds the task now', async () => {
    const { take, fences, bodies, results } = start(async () => {
      fences.set('task', 7);
      return DONE;
    });
    bodies.set('ref', CORPUS);
    await take({ body: undefined, body_ref: 'ref' });
    expect([results.size, bodies.has('ref')]).toEqual([0, true]);
  });

  it('clears the body away once the answer is there', async () => {
    const { take, bodies, results } = start();
    bodies.set('ref', CORPUS);
    await take({ body: undefined, body_ref: 'ref' });
    expect([results.get('task')?.status, bodies.has('ref')]).toEqual(['succeeded', false]);
  });

  it('answers deadline_exceeded when the body has expired', async () => {
    const { take, results } = start();
    await take({ body: undefined, body_ref: 'gone' });
    expect(results.get('task')).toEqual(failure('deadline_exceeded'));
  });
});
