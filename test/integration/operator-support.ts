import { createApp } from '@rerank-fleet/api';
import { openAdapters, type OpenAdapters } from '@rerank-fleet/api/adapters.module';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { loadConfig } from '@rerank-fleet/core/config';
import { createLogger } from '@rerank-fleet/core/observability';

export const OPERATOR = 'the-key-of-an-operator';
export const SEARCHER = 'the-key-of-a-searcher';

const KEYS = JSON.stringify([
  { key: OPERATOR, tenant: 'operations', scopes: ['operator'] },
  { key: SEARCHER, tenant: 'default', scopes: ['search', 'jobs', 'ingest', 'admin'] },
]);

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface OperatedApiOptions {
  readonly redisUrl: string;
  readonly stateDirectory: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** An API process of a fleet, with a key of an operator and one of a client. */
export class OperatedApi {
  readonly url: string;
  readonly adapters: OpenAdapters;
  readonly #app: NestFastifyApplication;

  private constructor(url: string, app: NestFastifyApplication, adapters: OpenAdapters) {
    this.url = url;
    this.#app = app;
    this.adapters = adapters;
  }

  static async start({ redisUrl, stateDirectory, env = {} }: OperatedApiOptions): Promise<OperatedApi> {
    const config = loadConfig({ PORT: '0', API_KEYS: KEYS, REDIS_URL: redisUrl, RERANK_STATE_DIR: stateDirectory, ...env });
    const logger = createLogger({ level: 'error', process: 'api' });
    const adapters = await openAdapters(config, logger);
    const app = await createApp({ config, logger, adapters });
    await app.listen(0, '127.0.0.1');
    return new OperatedApi(await app.getUrl(), app, adapters);
  }

  async close(): Promise<void> {
    await this.#app.close();
    await this.adapters.close();
  }

  /** As an operator; with no key where it is the empty text. */
  get(path: string, key = OPERATOR): Promise<ApiAnswer> {
    return this.#call('GET', path, key);
  }

  post(path: string, body?: unknown, key = OPERATOR): Promise<ApiAnswer> {
    return this.#call('POST', path, key, body);
  }

  delete(path: string, key = OPERATOR): Promise<ApiAnswer> {
    return this.#call('DELETE', path, key);
  }

  async #call(method: string, path: string, key: string, body?: unknown): Promise<ApiAnswer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(key === '' ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
    return { status: response.status, headers: response.headers, body: isJson ? (JSON.parse(text) as ApiAnswer['body']) : { text } };
  }
}
