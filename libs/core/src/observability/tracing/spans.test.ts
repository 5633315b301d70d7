import { trace } from '@opentelemetry/api';
import { AlwaysOnSampler, InMemorySpanExporter, ParentBasedSampler, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RerankError } from '../../errors/index.js';
import { LinkedSampler } from './linked-sampler.js';
import { beginWork, exemplarNow, inNewWork, inSpan, untraced } from './spans.js';
import { frameNow, inFrame, inWork, spanNow, traceparentNow } from './work-frame.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const came = (flags: '00' | '01'): string => `00-${TRACE}-${SPAN}-${flags}`;

const exporter = new InMemorySpanExporter();
const names = (): string[] => exporter.getFinishedSpans().map(({ name }) => name);
const named = (name: string) => exporter.getFinishedSpans().find((span) => span.name === name)!;

describe('without a receiver', () => {
  it('passes on the trace context that came, names it on log lines, and makes no spans', async () => {
    await inNewWork('work', { request_id: 'r' }, { parent: came('01') }, async () => {
      expect(frameNow()).toEqual({ fields: { request_id: 'r', trace_id: TRACE }, traceparent: came('01') });
      await inSpan('step', async (span) => {
        expect([span, spanNow(), exemplarNow(), traceparentNow()]).toEqual([undefined, undefined, undefined, came('01')]);
      });
    });
  });

  it('names no trace where none came', () => {
    expect(beginWork('work', { request_id: 'r' })).toEqual({ fields: { request_id: 'r' } });
  });
});

describe('with a receiver', () => {
  beforeEach(() => {
    const sampler = new LinkedSampler(new ParentBasedSampler({ root: new AlwaysOnSampler() }));
    trace.setGlobalTracerProvider(new TracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  });
  afterEach(() => {
    trace.disable();
    exporter.reset();
  });

  it('goes on from the span of who asked, step by step', async () => {
    await inNewWork('work', {}, { parent: came('01') }, () => inSpan('step', () => inSpan('inner', async () => undefined)));
    const [work, step, inner] = ['work', 'step', 'inner'].map(named);
    expect([work, step, inner].map((span) => span!.spanContext().traceId)).toEqual([TRACE, TRACE, TRACE]);
    expect([work, step, inner].map((span) => span!.parentSpanContext?.spanId)).toEqual([
      SPAN,
      work!.spanContext().spanId,
      step!.spanContext().spanId,
    ]);
  });

  it('keeps steps that run at once apart', async () => {
    await inNewWork('work', {}, {}, async () => {
      await Promise.all(['one', 'two'].map((name) => inSpan(name, () => inSpan(`in ${name}`, async () => undefined))));
    });
    for (const name of ['one', 'two']) expect(named(`in ${name}`).parentSpanContext?.spanId).toBe(named(name).spanContext().spanId);
  });

  it('records nothing of a trace that the caller did not record, and tells the next one so', async () => {
    await inNewWork('work', {}, { parent: came('00') }, async () => {
      await inSpan('step', async () => undefined);
      expect(traceparentNow()).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
    });
    expect(names()).toEqual([]);
  });

  it('makes a trace of its own of what was caused long ago, recorded if its cause was', async () => {
    await inNewWork('caused', {}, { cause: came('01') }, async () => undefined);
    await inNewWork('unrecorded', {}, { cause: came('00') }, async () => undefined);
    expect(names()).toEqual(['caused']);
    const { links, parentSpanContext } = named('caused');
    expect(parentSpanContext).toBeUndefined();
    expect(links.map(({ context }) => [context.traceId, context.spanId])).toEqual([[TRACE, SPAN]]);
    expect(named('caused').spanContext().traceId).not.toBe(TRACE);
  });

  it.each([
    ['the code of the catalogue', new RerankError('query_too_long', 'quoting the query'), 'query_too_long'],
    ['that it was cancelled', Object.assign(new Error('x'), { name: 'TaskCancelledError' }), 'cancelled'],
    ['that the client left', new DOMException('x', 'AbortError'), 'cancelled'],
    ['that it was late', new RerankError('deadline_exceeded', 'late'), 'deadline_exceeded'],
    ['that it was given back', Object.assign(new Error('x'), { name: 'GivenBackError' }), 'given_back'],
    ['a fault of ours without its words', new Error('quoting the document'), 'internal_error'],
  ])('says of an error %s', async (_, error, code) => {
    await expect(inNewWork('work', {}, {}, () => Promise.reject(error))).rejects.toBe(error);
    const { status, attributes, events } = named('work');
    expect({ status, attributes, events }).toEqual({ status: { code: 2, message: code }, attributes: { 'error.type': code }, events: [] });
  });

  it('leaves out a part that is not to be traced, and keeps its log fields', async () => {
    await inNewWork('work', { request_id: 'r' }, {}, () =>
      inWork({ row: 3 }, () =>
        untraced(async () => {
          await inSpan('step', async () => undefined);
          expect(frameNow()?.fields).toMatchObject({ request_id: 'r', row: 3 });
        }),
      ),
    );
    expect(names()).toEqual(['work']);
  });

  it('does nothing for whoever is called from a frame that is not theirs', async () => {
    await inNewWork('work', {}, {}, () => inFrame(undefined, () => inSpan('step', async () => undefined)));
    expect(names()).toEqual(['work']);
  });

  it('gives metrics the step at hand as their example', async () => {
    await inNewWork('work', {}, {}, async () => {
      expect(exemplarNow()).toEqual({ trace_id: spanNow()?.traceId, span_id: spanNow()?.context.spanId });
    });
  });
});
