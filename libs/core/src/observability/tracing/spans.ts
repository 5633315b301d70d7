import { isSpanContextValid, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { epochOf } from './epoch-clock.js';
import type { SpanAttributes } from './span-attributes.js';
import { formatTraceparent, parseTraceparent } from './traceparent.js';
import { frameNow, inFrame, spanNow, type WorkFields, type WorkFrame } from './work-frame.js';
import { KINDS, tracer, WorkSpan, type SpanStart } from './work-span.js';

/** Where work comes from that begins in this process. */
export interface TraceOrigin extends SpanStart {
  /** W3C trace context of whoever waits for it: the work is a part of that trace. */
  readonly parent?: string | undefined;
  /** W3C trace context of what caused it, long ago perhaps: the work is a trace of its own, recorded if that was. */
  readonly cause?: string | undefined;
}

/**
 * Begins work in this process: the frame to run it in. Its span is the caller's to end. Without tracing the frame passes on the trace context that came, and has no
 * span.
 */
export function beginWork(name: string, fields: WorkFields, origin: TraceOrigin = {}): WorkFrame {
  const { kind = 'internal', attributes = {}, startedAt = performance.now() } = origin;
  const parent = parseTraceparent(origin.parent);
  const cause = parseTraceparent(origin.cause);
  const options = {
    kind: KINDS[kind],
    attributes: { ...attributes },
    startTime: epochOf(startedAt),
    links: cause === undefined ? [] : [{ context: cause }],
  };
  const started = tracer().startSpan(name, options, parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent));
  const context = started.spanContext();
  if (!isSpanContextValid(context)) return { fields };
  const span = WorkSpan.of(started);
  const traceparent = formatTraceparent(context);
  return { fields: { ...fields, trace_id: context.traceId }, traceparent, ...(span === undefined ? {} : { span }) };
}

/** Runs work that begins in this process, in a span of its own. */
export async function inNewWork<T>(name: string, fields: WorkFields, origin: TraceOrigin, work: () => Promise<T>): Promise<T> {
  const frame = beginWork(name, fields, origin);
  return await inFrame(frame, () => ended(frame.span, work));
}

/** Runs a step of the work at hand, in a span of its own if that is recorded. */
export async function inSpan<T>(name: string, work: (span: WorkSpan | undefined) => Promise<T>, start: SpanStart = {}): Promise<T> {
  const frame = frameNow();
  if (frame?.span === undefined) return await work(undefined);
  const span = frame.span.child(name, start);
  return await inFrame({ ...frame, span, traceparent: span.traceparent }, () => ended(span, () => work(span)));
}

/** Runs a part of the work at hand without a trace of it, as there are too many of its kind. */
export function untraced<T>(work: () => T): T {
  const { span: _, ...frame } = frameNow() ?? { fields: {} };
  return inFrame(frame, work);
}

/** Adds to the span of the step at hand. */
export function noteOnSpan(attributes: SpanAttributes): void {
  spanNow()?.note(attributes);
}

/** Of the step at hand, for metrics that name an example. */
export function exemplarNow(): { readonly trace_id: string; readonly span_id: string } | undefined {
  const context = spanNow()?.context;
  return context === undefined ? undefined : { trace_id: context.traceId, span_id: context.spanId };
}

async function ended<T>(span: WorkSpan | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    span?.fail(error);
    throw error;
  } finally {
    span?.end();
  }
}
