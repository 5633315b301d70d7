import { pino, stdTimeFunctions, type Logger } from 'pino';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly level: string;
  /** `api`, `worker`, …: on every line. */
  readonly process: string;
}

/** Structured lines on stdout. Document texts and queries are never logged at info or above. */
export function createLogger({ level, process }: LoggerOptions): Logger {
  return pino({ level, base: { process }, timestamp: stdTimeFunctions.isoTime, messageKey: 'message', errorKey: 'err' });
}
