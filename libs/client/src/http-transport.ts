import type { z } from 'zod';
import { errorOfAnswer, parseJson, RerankApiError, RerankConnectionError } from './client-errors.js';
import { Deadline, sleep } from './deadline.js';
import { gather, ndjsonBody, runtimeStreamsUploads, type NdjsonBody, type Rows, type UploadProgress } from './ndjson-body.js';
import { retryDelayMs } from './retry-policy.js';

/** Of every call. */
export interface CallOptions {
  /** Ends the call; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time of the call, retries included, in milliseconds; Infinity for no bound. */
  readonly timeoutMs?: number | undefined;
}

export interface RetryNotice {
  readonly error: RerankApiError | RerankConnectionError;
  readonly delayMs: number;
}

export interface TransportOptions {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly onRetry: ((notice: RetryNotice) => void) | undefined;
}

export interface ApiRequest<Schema extends z.ZodType> {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly answer: Schema;
  /** Doing it twice is doing it once, and answers the same. */
  readonly idempotent: boolean;
  readonly json?: unknown;
  readonly rows?: { readonly source: Rows; readonly onUpload: ((progress: UploadProgress) => void) | undefined };
  /** An error status whose body is an answer all the same. */
  readonly alsoAnswers?: number;
}

/** Sends requests, retries what is safe to retry, and reads answers. */
export class HttpTransport {
  constructor(private readonly options: TransportOptions) {}

  /**
   * Resolves with the body as it came, once it satisfies `answer`.
   *
   * @throws RerankApiError, RerankConnectionError, RerankTimeoutError, or the reason of the caller's signal
   */
  async send<Schema extends z.ZodType>(
    request: ApiRequest<Schema>,
    { signal, timeoutMs = this.options.timeoutMs }: CallOptions,
  ): Promise<z.output<Schema>> {
    const deadline = new Deadline(timeoutMs, signal);
    const replayable = request.rows === undefined || Array.isArray(request.rows.source);
    try {
      for (let retried = 0; ; retried += 1) {
        try {
          return await this.#attempt(request, deadline.signal);
        } catch (error) {
          const { retries, onRetry } = this.options;
          const { idempotent } = request;
          const delayMs = retryDelayMs({
            error,
            retried,
            retries,
            idempotent,
            replayable,
            remainingMs: deadline.remainingMs,
            random: Math.random(),
          });
          if (delayMs === undefined) throw error;
          onRetry?.({ error: error as RetryNotice['error'], delayMs });
          await sleep(delayMs, deadline.signal);
        }
      }
    } finally {
      deadline.dispose();
    }
  }

  async #attempt<Schema extends z.ZodType>(request: ApiRequest<Schema>, signal: AbortSignal): Promise<z.output<Schema>> {
    signal.throwIfAborted();
    const upload = request.rows === undefined ? undefined : ndjsonBody(request.rows.source, { onUpload: request.rows.onUpload, signal });
    let response: Response;
    let text: string;
    try {
      const { fetch, baseUrl } = this.options;
      response = await fetch(baseUrl + request.path, { ...(await this.#payload(request, upload)), method: request.method, signal });
      text = await response.text();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const failure = upload?.failure();
      if (failure !== undefined) throw failure.reason;
      throw new RerankConnectionError(this.options.baseUrl, error);
    }
    if (!response.ok && response.status !== request.alsoAnswers) throw errorOfAnswer(response, text);
    return this.#read(request, response, text);
  }

  async #payload(request: ApiRequest<z.ZodType>, upload: NdjsonBody | undefined): Promise<RequestInit> {
    const { apiKey } = this.options;
    const headers: Record<string, string> = { accept: 'application/json' };
    if (apiKey !== undefined) headers['authorization'] = `Bearer ${apiKey}`;
    if (upload !== undefined) {
      headers['content-type'] = 'application/x-ndjson';
      return runtimeStreamsUploads() ? { headers, body: upload.stream, duplex: 'half' } : { headers, body: await gather(upload.stream) };
    }
    if (request.json === undefined) return { headers };
    headers['content-type'] = 'application/json';
    return { headers, body: JSON.stringify(request.json) };
  }

  /** The body is returned as it came, not as parsed: what a newer service adds is for the caller to see. */
  #read<Schema extends z.ZodType>(request: ApiRequest<Schema>, response: Response, text: string): z.output<Schema> {
    const body = text === '' ? undefined : parseJson(text);
    const parsed = request.answer.safeParse(body);
    if (parsed.success) return body as z.output<Schema>;
    if (!response.ok) throw errorOfAnswer(response, text);
    const issue = parsed.error.issues[0];
    const why = body === undefined ? 'it is not JSON' : `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
    throw new RerankApiError({
      code: 'unexpected_answer',
      status: response.status,
      detail: `The answer of ${this.options.baseUrl}${request.path} is not of this API (${why}). Is that address a rerank-fleet service of this version?`,
      requestId: response.headers.get('x-request-id') ?? undefined,
    });
  }
}
