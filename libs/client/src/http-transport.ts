import type { z } from 'zod';
import { errorOfAnswer, parseJson, RerankApiError, RerankConnectionError } from './client-errors.js';
import { Deadline, sleep } from './deadline.js';
import { gather, readAll, runtimeStreamsUploads, type RequestBody } from './request-body.js';
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

/** Lines that are sent while they are read. */
export interface Upload {
  /** The body of an attempt. */
  readonly open: (signal: AbortSignal) => RequestBody;
  /** Opening it again gives the same lines. */
  readonly replayable: boolean;
}

interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly json?: unknown;
  readonly upload?: Upload | undefined;
}

export interface ApiRequest<Schema extends z.ZodType> extends Call {
  readonly answer: Schema;
  /** Doing it twice is doing it once, and answers the same. */
  readonly idempotent: boolean;
  /** An error status whose body is an answer all the same. */
  readonly alsoAnswers?: number;
}

const IDLE_MS = 60_000;
/** Where request bodies are streamed; the library of browsers does not know it. */
const STREAMED = { duplex: 'half' } as const;

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
    const { idempotent, upload } = request;
    const replayable = upload === undefined || upload.replayable;
    try {
      for (let retried = 0; ; retried += 1) {
        try {
          return await this.#attempt(request, deadline.signal);
        } catch (error) {
          const { retries, onRetry } = this.options;
          const { remainingMs } = deadline;
          const delayMs = retryDelayMs({ error, retried, retries, idempotent, replayable, remainingMs, random: Math.random() });
          if (delayMs === undefined) throw error;
          onRetry?.({ error: error as RetryNotice['error'], delayMs });
          await sleep(delayMs, deadline.signal);
        }
      }
    } finally {
      deadline.dispose();
    }
  }

  /**
   * Bytes of an answer that comes while it is made. Nothing is retried: only who reads it knows where to go on. A connection on which nothing came for a minute is
   * dead: the service sends something four times as often.
   *
   * @throws RerankApiError, RerankConnectionError, or the signal's reason; the iterator the last two
   */
  async stream(request: Pick<Call, 'path' | 'headers'>, signal: AbortSignal): Promise<AsyncGenerator<Uint8Array, void, undefined>> {
    const idle = new AbortController();
    const response = await this.#fetch({ ...request, method: 'GET' }, AbortSignal.any([signal, idle.signal]));
    try {
      if (!response.ok) throw errorOfAnswer(response, await response.text());
    } catch (error) {
      throw this.#failure(error, signal);
    }
    return this.#bytes(response, signal, idle);
  }

  /** A retry was decided on by somebody else. */
  noteRetry(notice: RetryNotice): void {
    this.options.onRetry?.(notice);
  }

  async #attempt<Schema extends z.ZodType>(request: ApiRequest<Schema>, signal: AbortSignal): Promise<z.output<Schema>> {
    const response = await this.#fetch(request, signal);
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      throw this.#failure(error, signal);
    }
    if (!response.ok && response.status !== request.alsoAnswers) throw errorOfAnswer(response, text);
    return this.#read(request, response, text);
  }

  async #fetch(call: Call, signal: AbortSignal): Promise<Response> {
    signal.throwIfAborted();
    const upload = call.upload?.open(signal);
    try {
      const { fetch, baseUrl } = this.options;
      return await fetch(baseUrl + call.path, { ...(await this.#payload(call, upload)), method: call.method, signal });
    } catch (error) {
      const failure = signal.aborted ? undefined : upload?.failure();
      throw failure === undefined ? this.#failure(error, signal) : failure.reason;
    }
  }

  async *#bytes({ body }: Response, signal: AbortSignal, idle: AbortController): AsyncGenerator<Uint8Array, void, undefined> {
    if (body === null) return;
    const give = (): void => idle.abort(Object.assign(new Error('Nothing came for too long.'), { code: 'ETIMEDOUT' }));
    let timer = setTimeout(give, IDLE_MS);
    try {
      for await (const chunk of readAll(body)) {
        // The reader's own time does not count.
        clearTimeout(timer);
        yield chunk;
        timer = setTimeout(give, IDLE_MS);
      }
    } catch (error) {
      throw this.#failure(error, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    return error instanceof RerankApiError ? error : new RerankConnectionError(this.options.baseUrl, error);
  }

  async #payload(call: Call, upload: RequestBody | undefined): Promise<RequestInit> {
    const { apiKey } = this.options;
    const headers: Record<string, string> = { accept: 'application/json', ...call.headers };
    if (apiKey !== undefined) headers['authorization'] = `Bearer ${apiKey}`;
    if (upload !== undefined) {
      headers['content-type'] = 'application/x-ndjson';
      return runtimeStreamsUploads() ? { headers, body: upload.stream, ...STREAMED } : { headers, body: await gather(upload.stream) };
    }
    if (call.json === undefined) return { headers };
    headers['content-type'] = 'application/json';
    return { headers, body: JSON.stringify(call.json) };
  }

  /** The body is returned as it came, not as parsed: what a newer service adds is for the caller to see. */
  #read<Schema extends z.ZodType>(request: ApiRequest<Schema>, response: Response, text: string): z.output<Schema> {
    const body = text === '' ? undefined : parseJson(text);
    const parsed = request.answer.safeParse(body);
    if (parsed.success) return body as z.output<Schema>;
    if (!response.ok) throw errorOfAnswer(response, text);
    const issue = parsed.error.issues[0];
    const why = body === undefined ? 'it is not JSON' : `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
    throw this.unexpected(request.path, { why, status: response.status, requestId: response.headers.get('x-request-id') ?? undefined });
  }

  /** An answer came to an end in the middle. */
  cutOff(): RerankConnectionError {
    return new RerankConnectionError(this.options.baseUrl, Object.assign(new Error('The answer was cut off.'), { code: 'ECONNRESET' }));
  }

  /** The answer is not what this version of the API answers. */
  unexpected(
    path: string,
    { why, status = 200, requestId }: { why: string; status?: number; requestId?: string | undefined },
  ): RerankApiError {
    return new RerankApiError({
      code: 'unexpected_answer',
      status,
      detail: `The answer of ${this.options.baseUrl}${path} is not of this API (${why}). Is that address a rerank-fleet service of this version?`,
      requestId,
    });
  }
}
