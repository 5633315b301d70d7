import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RetrieverConnection } from '../../config/index.js';
import { RerankError } from '../../errors/index.js';
import { backoffDelayMs } from '../backoff-delay.js';

export interface JsonPost {
  /** Appended to the connection's URL. */
  readonly path: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface JsonAnswer {
  readonly status: number;
  /** Undefined where the body is no JSON, which a good answer never is. */
  readonly json: unknown;
}

const ATTEMPTS = 3;
const BACKOFF = { firstMs: 100, lastMs: 2_000 };
/** Those of servers and proxies that are busy or starting: a search can be sent again. */
const TRANSIENT = new Set([429, 502, 503, 504]);
const SOCKETS = 64;

/** A fault that another attempt may not have. */
class TransientFault extends Error {
  override readonly name = 'TransientFault';
}

/**
 * POSTs JSON to one connection, over connections that are kept open. Follows no redirect, so that nobody but the operator says where a request goes; repeats
 * what may pass, inside the connection's time.
 */
export class JsonPoster {
  readonly #connection: RetrieverConnection;
  readonly #base: string;
  readonly #agent: HttpAgent;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(connection: RetrieverConnection) {
    const { url, headers, ca, insecure } = connection;
    this.#connection = connection;
    this.#base = url.replace(/\/+$/, '');
    const options = { keepAlive: true, maxSockets: SOCKETS };
    // Agents of our own: Node's global ones may go through a proxy of the environment.
    this.#agent = url.startsWith('https:')
      ? new HttpsAgent({ ...options, rejectUnauthorized: !insecure, ...(ca === undefined ? {} : { ca }) })
      : new HttpAgent(options);
    this.#headers = Object.fromEntries(Object.entries(headers).map(([name, secret]) => [name, secret.reveal()]));
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @throws RerankError `candidate_store_unavailable`; the signal's reason when it aborts */
  async post(post: JsonPost): Promise<JsonAnswer> {
    const { timeoutMs } = this.#connection;
    const end = performance.now() + timeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = post.signal === undefined ? timeout : AbortSignal.any([post.signal, timeout]);
    for (let failures = 1; ; failures += 1) {
      const fault = await this.#attempt(post, signal).catch((error: unknown) => {
        post.signal?.throwIfAborted();
        if (timeout.aborted) throw this.#unavailable(`did not answer within ${timeoutMs} ms`, { cause: error });
        if (error instanceof RerankError) throw error;
        return error;
      });
      if (!(fault instanceof Error)) return fault as JsonAnswer;
      const error = this.#outage(fault);
      const waitMs = backoffDelayMs(BACKOFF, failures, error);
      if (failures === ATTEMPTS || performance.now() + waitMs >= end) throw error;
      await sleep(waitMs, undefined, { signal }).catch(() => post.signal?.throwIfAborted());
    }
  }

  /** Rejects with a RerankError where another attempt would not help. */
  async #attempt({ path, body, headers }: JsonPost, signal: AbortSignal): Promise<JsonAnswer> {
    const bytes = Buffer.from(JSON.stringify(body));
    const response = await this.#send(path, bytes, { headers, signal });
    const status = response.statusCode ?? 0;
    const text = await this.#read(response);
    if (TRANSIENT.has(status)) throw new TransientFault(`status ${status}`, { cause: retryAfterS(response) });
    if (status >= 300 && status < 400) throw this.#unavailable('answers with a redirect, which is not followed');
    const json = jsonOf(text);
    if (json === undefined && status < 300) throw this.#unavailable('answered with something that is not JSON');
    return { status, json };
  }

  #send(
    path: string,
    body: Buffer,
    { headers, signal }: { readonly headers: JsonPost['headers']; readonly signal: AbortSignal },
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const url = new URL(`${this.#base}${path}`);
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      agent: this.#agent,
      signal,
      headers: {
        ...this.#headers,
        ...headers,
        accept: 'application/json',
        'accept-encoding': 'identity',
        'content-type': 'application/json',
        'content-length': body.byteLength,
      },
    });
    request.on('response', resolve);
    request.on('error', reject);
    request.end(body);
    return promise;
  }

  async #read(response: IncomingMessage): Promise<string> {
    const { maxResponseBytes } = this.#connection;
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      // Leaving the loop destroys the response.
      if (bytes > maxResponseBytes) throw this.#unavailable(`answered with more than ${maxResponseBytes} bytes; ask for fewer candidates`);
      chunks.push(chunk);
    }
    if (!response.complete) throw new TransientFault('the answer was cut');
    return Buffer.concat(chunks).toString('utf8');
  }

  #outage(fault: Error): RerankError {
    if (!(fault instanceof TransientFault)) return this.#unavailable('cannot be reached', { cause: fault });
    const asked = typeof fault.cause === 'number' ? { retryAfterS: fault.cause } : {};
    return this.#unavailable(`cannot answer now (${fault.message})`, { cause: fault, ...asked });
  }

  #unavailable(what: string, options: { readonly cause?: unknown; readonly retryAfterS?: number } = {}): RerankError {
    return new RerankError('candidate_store_unavailable', `The first stage "${this.#connection.name}" ${what}.`, options);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Seconds; a date is not read. */
function retryAfterS({ headers }: IncomingMessage): number | undefined {
  const text = headers['retry-after'];
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}
