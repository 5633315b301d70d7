import { RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';
import { parsePrometheus, sumOf } from '../../../../test/support/prometheus-text.js';
import { GivenBackError, type TaskContext, type TaskHandlers } from '../tasks/task-processor.js';
import { meterHandlers } from './meter-handlers.js';
import { createWorkerMetrics } from './worker-metrics.js';

type Rerank = TaskHandlers['rerank'];

const BODY = { kind: 'rerank' } as Parameters<Rerank>[0];
const DONE = { kind: 'rerank', model: 'm', results: [], prompt_tokens: 0, timings_ms: { queue: 0, tokenize: 4, score: 9 } } as const;

async function outcomesOf(handler: Rerank, context: Partial<TaskContext> = {}) {
  const metrics = createWorkerMetrics();
  const metered = meterHandlers({ rerank: handler } as unknown as TaskHandlers, metrics.instruments);
  const given = { queueMs: 250, signal: new AbortController().signal, ...context } as TaskContext;
  const result = await metered.rerank(BODY, given).catch((error: unknown) => error);
  return { result, families: parsePrometheus(await metrics.text()) };
}

const aborted = (reason: Error): Partial<TaskContext> => ({ signal: AbortSignal.abort(reason) });
const named = (name: string): Error => Object.assign(new Error('gone'), { name });
const failing =
  (error: Error): Rerank =>
  () =>
    Promise.reject(error);

describe(meterHandlers, () => {
  it('passes on what a handler answers, and times it', async () => {
    const { result, families } = await outcomesOf(() => Promise.resolve({ ...DONE, results: [] }));
    expect(result).toEqual(DONE);
    expect(sumOf(families, 'rerank_fleet_task_duration_seconds_count', { kind: 'rerank', code: 'ok' })).toBe(1);
    expect(sumOf(families, 'rerank_fleet_queue_wait_seconds_sum', { kind: 'rerank' })).toBe(0.25);
    expect(sumOf(families, 'rerank_fleet_tokenize_seconds_sum')).toBe(0.004);
  });

  it.each([
    ['its code', new RerankError('query_too_long', 'long'), {}, 'query_too_long'],
    ['a fault of ours', new Error('secret'), {}, 'internal_error'],
    ['the deadline', new Error('x'), aborted(new RerankError('deadline_exceeded', 'late')), 'deadline_exceeded'],
    ['a caller that left', new Error('x'), aborted(named('TaskCancelledError')), 'cancelled'],
    ['a worker that stops', new Error('x'), aborted(new GivenBackError('stops')), 'given_back'],
  ])('counts a failure by %s, and passes it on', async (_, error, context, code) => {
    const { result, families } = await outcomesOf(failing(error), context);
    expect(result).toBe(error);
    expect(sumOf(families, 'rerank_fleet_task_duration_seconds_count', { code })).toBe(1);
    expect(sumOf(families, 'rerank_fleet_task_duration_seconds_count')).toBe(1);
  });
});
