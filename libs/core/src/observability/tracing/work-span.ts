import { SpanStatusCode, trace, ROOT_CONTEXT, SpanKind, type Span, type SpanContext } from '@opentelemetry/api';
import { RerankError } from '../../errors/index.js';
import { epochOf } from './epoch-clock.js';
import type { SpanAttributes } from './span-attributes.js';
import { formatTraceparent } from './traceparent.js';

export type WorkSpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

export interface SpanStart {
  /** @defaultValue 'internal' */
  readonly kind?: WorkSpanKind;
  readonly attributes?: SpanAttributes;
  /** Of `performance.now()`. @defaultValue now */
  readonly startedAt?: number;
  /** Spans of other work that this was done together with. */
  readonly links?: readonly WorkSpan[];
}

/** A span that is over: both ends of `performance.now()`. */
export interface SpanRecord extends SpanStart {
  readonly startedAt: number;
  readonly endedAt: number;
}

const TRACER = 'rerank-fleet';

/** A step of traced work. It is recorded: where a step is not, there is no span. */
export class WorkSpan {
  readonly #span: Span;

  private constructor(span: Span) {
    this.#span = span;
  }

  /** Of a span without a parent in this process. Undefined where it is not recorded. */
  static of(span: Span): WorkSpan | undefined {
    return span.isRecording() ? new WorkSpan(span) : undefined;
  }

  get context(): SpanContext {
    return this.#span.spanContext();
  }

  get traceId(): string {
    return this.context.traceId;
  }

  get traceparent(): string {
    return formatTraceparent(this.context);
  }

  note(attributes: SpanAttributes): void {
    this.#span.setAttributes({ ...attributes });
  }

  event(name: string, attributes: SpanAttributes = {}): void {
    this.#span.addEvent(name, { ...attributes }, epochOf(performance.now()));
  }

  /** By its code; what an error says in words may quote its cause. */
  fail(error: unknown): void {
    this.failAs(errorTypeOf(error));
  }

  failAs(code: string): void {
    this.#span.setAttribute('error.type', code);
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message: code });
  }

  /** @param endedAt of `performance.now()` */
  end(endedAt = performance.now()): void {
    this.#span.end(epochOf(endedAt));
  }

  /** A step of this one. It may begin and end after this one has. */
  child(name: string, { kind = 'internal', attributes = {}, startedAt = performance.now(), links = [] }: SpanStart = {}): WorkSpan {
    const context = trace.setSpan(ROOT_CONTEXT, this.#span);
    const options = {
      kind: KINDS[kind],
      attributes: { ...attributes },
      startTime: epochOf(startedAt),
      links: links.map((link) => ({ context: link.context })),
    };
    return new WorkSpan(trace.getTracer(TRACER).startSpan(name, options, context));
  }

  /** A step of this one that is over. */
  record(name: string, record: SpanRecord): WorkSpan {
    const child = this.child(name, record);
    child.end(Math.max(record.startedAt, record.endedAt));
    return child;
  }
}

export const KINDS: Readonly<Record<WorkSpanKind, SpanKind>> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

export const tracer = (): ReturnType<typeof trace.getTracer> => trace.getTracer(TRACER);

const BY_NAME: Readonly<Record<string, string>> = {
  GivenBackError: 'given_back',
  TaskCancelledError: 'cancelled',
  AbortError: 'cancelled',
  TimeoutError: 'deadline_exceeded',
};

/** A code of the catalogue; or why work was let go of: `cancelled`, `given_back`. */
export function errorTypeOf(error: unknown): string {
  if (error instanceof RerankError) return error.code;
  return (error instanceof Error ? BY_NAME[error.name] : undefined) ?? 'internal_error';
}
