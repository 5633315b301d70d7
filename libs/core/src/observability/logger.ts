import { pino, stdTimeFunctions, type Logger } from 'pino';
import { describeError } from './describe-error.js';
import { frameNow } from './tracing/work-frame.js';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly level: string;
  /** `api`, `worker`, …: on every line. */
  readonly process: string;
}

/**
 * Structured lines on stdout. A line of a request's work has its ids (`request_id`, `task_id`, `trace_id`). Document texts and queries are never logged, at no level.
 */
export function createLogger({ level, process }: LoggerOptions): Logger {
  return pino({
    level,
    base: { process },
    timestamp: stdTimeFunctions.isoTime,
    messageKey: 'message',
    errorKey: 'err',
    serializers: { err: describeError },
    // pino merges what the line says into this object, so it needs one of its own.
    mixin: () => ({ ...frameNow()?.fields }),
  });
}
