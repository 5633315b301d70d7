import { trace } from '@opentelemetry/api';
import { AlwaysOnSampler, InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { exemplarNow, inNewWork, spanNow } from '@rerank-fleet/core/observability';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchReport } from '../pipeline/scheduling.js';
import { BatchSpans } from './batch-spans.js';

const exporter = new InMemorySpanExporter();
const finished = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);

beforeEach(() => {
  trace.setGlobalTracerProvider(
    new TracerProvider({ sampler: new AlwaysOnSampler(), spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
  );
});
afterEach(() => {
  trace.disable();
  exporter.reset();
});

function report(marks: readonly unknown[]): BatchReport {
  const sequences = marks.map((mark, at) => ({ length: 10 + at, priority: 'sync' as const, waitMs: 5 * at, mark }));
  return { model: 'sha', sequences, paddedTokens: 40, budget: 100, runMs: 6, startedAt: 1_000, endedAt: 1_010 };
}

describe(BatchSpans, () => {
  it('tells each step its share in the batch, and who was in it besides', async () => {
    const spans = new BatchSpans({ batchRan: () => undefined }, () => 'tiny');
    const one = await inNewWork('one', {}, {}, async () => spans.mark());
    const two = await inNewWork('two', {}, {}, async () => spans.mark());
    spans.batchRan(report([one, two, one, undefined]));
    const [first, second] = finished('batch');
    expect(first!.attributes).toEqual({
      'rerank.model': 'tiny',
      'rerank.pairs': 2,
      'rerank.tokens': 22,
      'rerank.batch.pairs': 4,
      'rerank.batch.padded_tokens': 40,
      'rerank.batch.budget_tokens': 100,
      'rerank.batch.run_ms': 6,
      'rerank.batch.thread_wait_ms': 4,
    });
    expect(first!.parentSpanContext?.spanId).toBe(one!.context.spanId);
    expect([first!, second!].map(({ links }) => links.map(({ context }) => context.spanId))).toEqual([
      [two!.context.spanId],
      [one!.context.spanId],
    ]);
    expect(finished('inference thread')).toHaveLength(2);
  });

  it('has a bound of batches of one step, and says so', async () => {
    const spans = new BatchSpans({ batchRan: () => undefined }, () => 'tiny');
    const step = await inNewWork('one', {}, {}, async () => spans.mark());
    for (let batch = 0; batch < 100; batch += 1) spans.batchRan(report([step]));
    expect(finished('batch')).toHaveLength(32);
    expect(finished('batch').filter(({ attributes }) => attributes['rerank.batch.last_recorded'] === true)).toHaveLength(1);
  });

  it('lets metrics name a step of the batch, never who came by', async () => {
    const seen: unknown[] = [];
    const spans = new BatchSpans({ batchRan: () => void seen.push(exemplarNow()?.span_id) }, () => 'tiny');
    const step = await inNewWork('one', {}, {}, async () => spans.mark());
    await inNewWork('passer-by', {}, {}, async () => {
      spans.batchRan(report([step]));
      spans.batchRan(report([undefined]));
      expect(spanNow()).toBeDefined();
    });
    expect(seen).toEqual([step!.context.spanId, undefined]);
  });
});
