import { ERROR_CATALOGUE, ERROR_CODES, type FieldError } from '@rerank-fleet/core/errors';
import { z } from 'zod';

export interface RerankApiErrorOptions {
  /** Stable code of the error catalogue; `unexpected_answer` or `http_<status>` where something else than the API answered. */
  readonly code: string;
  /** HTTP status. */
  readonly status: number;
  /** What is wrong and what to do. */
  readonly detail: string;
  readonly requestId?: string | undefined;
  /** Seconds after which a retry can succeed. */
  readonly retryAfterS?: number | undefined;
  readonly errors?: readonly FieldError[] | undefined;
}

/** The service answered, and the answer is an error. */
export class RerankApiError extends Error {
  override readonly name = 'RerankApiError';
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly requestId: string | undefined;
  readonly retryAfterS: number | undefined;
  /** Faults of the request's fields, each with a JSON pointer into the body. */
  readonly errors: readonly FieldError[];

  constructor(options: RerankApiErrorOptions) {
    super(`${options.code}: ${options.detail}`);
    this.code = options.code;
    this.status = options.status;
    this.detail = options.detail;
    this.requestId = options.requestId;
    this.retryAfterS = options.retryAfterS;
    this.errors = options.errors ?? [];
  }
}

/** No answer came: the service is not there, or the connection broke. */
export class RerankConnectionError extends Error {
  override readonly name = 'RerankConnectionError';
  /** System error code where the runtime tells it, such as `ECONNREFUSED`; browsers do not. */
  readonly systemCode: string | undefined;

  constructor(
    /** Base URL of the service. */
    readonly url: string,
    cause: unknown,
  ) {
    const systemCode = systemCodeOf(cause);
    super(connectionMessage(url, systemCode), { cause });
    this.systemCode = systemCode;
  }

  /** Nothing listens there, so the request was not seen by anyone. */
  get refused(): boolean {
    return this.systemCode === 'ECONNREFUSED';
  }
}

/** The deadline that the caller or the client set passed before the answer was there. */
export class RerankTimeoutError extends Error {
  override readonly name = 'RerankTimeoutError';

  constructor(readonly timeoutMs: number) {
    super(`No answer within ${timeoutMs.toLocaleString('en')} ms.`);
  }
}

/** What a service that is away for a while, or a proxy before it, makes of a call. */
export function mayPass(error: unknown): error is RerankApiError | RerankConnectionError {
  if (error instanceof RerankConnectionError) return true;
  return error instanceof RerankApiError && [429, ...GATEWAY_STATUSES].includes(error.status);
}

function connectionMessage(url: string, systemCode: string | undefined): string {
  if (systemCode === undefined || systemCode === 'ECONNREFUSED') {
    return `nothing answers at ${url}: start it with \`npm start\` or \`rerank up\``;
  }
  if (systemCode === 'ENOTFOUND' || systemCode === 'EAI_AGAIN')
    return `the host of ${url} cannot be found (${systemCode}): check the address`;
  return `the connection to ${url} broke (${systemCode})`;
}

/** fetch wraps what happened in causes; a host with two addresses in an aggregate of causes. */
function systemCodeOf(error: unknown): string | undefined {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; depth += 1) {
    const { code } = current as { code?: unknown };
    if (typeof code === 'string') return code;
    current = current instanceof AggregateError ? current.errors[0] : current.cause;
  }
  return undefined;
}

/** Every dialect of errors that the service speaks, and what proxies send. */
const errorBodySchema = z.looseObject({
  code: z.string().optional().catch(undefined),
  detail: z.string().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
  error: z
    .union([
      z.string().transform((message) => ({ message, code: undefined })),
      z.object({ message: z.string(), code: z.string().optional().catch(undefined) }),
    ])
    .optional()
    .catch(undefined),
  instance: z.string().optional().catch(undefined),
  errors: z
    .array(z.object({ pointer: z.string(), detail: z.string() }))
    .optional()
    .catch(undefined),
});

/** Reads an answer that is no success, whoever sent it. */
export function errorOfAnswer(response: Pick<Response, 'status' | 'headers'>, text: string): RerankApiError {
  const parsed = errorBodySchema.safeParse(parseJson(text));
  const body = parsed.success ? parsed.data : {};
  return new RerankApiError({
    code: body.code ?? body.error?.code ?? codeOfStatus(response.status),
    status: response.status,
    detail: body.detail ?? body.message ?? body.error?.message ?? `The service answered with status ${response.status} and no explanation.`,
    requestId: response.headers.get('x-request-id') ?? body.instance,
    retryAfterS: retryAfterSeconds(response.headers.get('retry-after'), Date.now()),
    errors: body.errors,
  });
}

/** What proxies answer of themselves. */
const GATEWAY_STATUSES: readonly number[] = [502, 503, 504];

/** Only a status with one code names it: 404 has several. */
function codeOfStatus(status: number): string {
  if (GATEWAY_STATUSES.includes(status)) return `http_${status}`;
  const codes = ERROR_CODES.filter((code) => ERROR_CATALOGUE[code].status === status);
  return codes.length === 1 && codes[0] !== undefined ? codes[0] : `http_${status}`;
}

/** Value of `Retry-After`, seconds or a date (RFC 9110, section 10.2.3), in seconds from `nowMs`. */
export function retryAfterSeconds(header: string | null, nowMs: number): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - nowMs) / 1_000);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
