import { ERROR_CATALOGUE, type ErrorCode } from './error-catalogue.js';

/** One fault of a request; `pointer` is a JSON pointer into the body. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

export interface RerankErrorOptions {
  readonly errors?: readonly FieldError[];
  /** Seconds after which a retry can succeed; becomes `Retry-After`. */
  readonly retryAfterS?: number;
  readonly cause?: unknown;
}

/** An error a client may see. `detail` says what is wrong and what to do; it never holds document text or secrets. */
export class RerankError extends Error {
  override readonly name = 'RerankError';
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors: readonly FieldError[];
  readonly retryAfterS: number | undefined;

  constructor(code: ErrorCode, detail: string, options: RerankErrorOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = detail;
    this.errors = options.errors ?? [];
    this.retryAfterS = options.retryAfterS;
  }

  get status(): number {
    return ERROR_CATALOGUE[this.code].status;
  }
}
