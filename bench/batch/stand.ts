import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { ReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { childEnvironment } from '../../test/support/environment.ts';
import '../support/source-imports.ts';
import { ForeignLoad } from '../support/foreign-load.ts';
import { FakeFleet } from './fake-fleet.ts';
import type { FakeModelShape } from './fake-model.ts';

const { RedisServer } = await import('../../test/support/redis-server.ts');
const { corpusRecord } = await import('../../test/support/fleet-fixtures.ts');
const API = fileURLToPath(new URL('../../apps/api/dist/main.js', import.meta.url));

/** The corpus that search rows name; nothing is in it. */
export const CORPUS = 'manuals';
export const TENANTS = ['default', 'other'] as const;
/** Keys of the tenants but the first, which needs none. */
const KEYS = Object.fromEntries(TENANTS.map((tenant) => [tenant, `bench-key-of-${tenant}`]));

export interface StandOptions {
  /** Folder for CPU profiles of all Node processes. */
  readonly profile?: string | undefined;
  /** Other variables of the API. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A private Redis with its append-only file, a folder for blobs, and a real API process; all on loopback, gone afterwards. */
export class Stand {
  readonly url: string;
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly load: ForeignLoad;
  readonly #parts: StandParts;
  #fleet: FakeFleet | undefined;

  private constructor(parts: StandParts) {
    this.url = parts.url;
    this.redis = parts.redis;
    this.#parts = parts;
    this.load = new ForeignLoad(() => [parts.redisPid, this.apiPid, ...(this.#fleet?.pids ?? [])]);
  }

  static async with<T>(options: StandOptions, work: (stand: Stand) => Promise<T>): Promise<T> {
    const stand = await Stand.#start(options);
    try {
      return await work(stand);
    } finally {
      await stand.#stop();
    }
  }

  static async #start({ profile, settings: more = {} }: StandOptions): Promise<Stand> {
    const [root, server] = await Promise.all([mkdtemp(join(tmpdir(), 'rerank-batch-bench-')), RedisServer.start()]);
    const { documentStore, candidateStore } = openEmbeddedStores({ directory: join(root, 'store') });
    for (const tenant of TENANTS) await documentStore.createCorpus(corpusRecord({ tenant, corpus: CORPUS }));
    await Promise.all([documentStore.close(), candidateStore.close()]);
    const redis = await connectRedis(server.url, { role: 'consumer', name: 'bench' });
    const keys = TENANTS.map((tenant) => ({ tenant, key: KEYS[tenant], scopes: ['search', 'jobs', 'operator'] }));
    const settings = {
      REDIS_URL: server.url,
      RERANK_STATE_DIR: root,
      PORT: '0',
      LOG_LEVEL: 'warn',
      API_KEYS: JSON.stringify(keys),
      ...more,
    };
    const api = fork(API, {
      env: childEnvironment(settings),
      execArgv: profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const url = await readyUrl(api);
    const redisPid = Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]);
    return new Stand({ root, server, redis, redisPid, api, url, profile });
  }

  get apiPid(): number {
    return this.#parts.api.pid ?? 0;
  }

  get redisPid(): number {
    return this.#parts.redisPid;
  }

  get redisUrl(): string {
    return this.#parts.server.url;
  }

  get stateDirectory(): string {
    return this.#parts.root;
  }

  /** Runs simulated workers while the work is done. */
  async withFleet<T>(options: FleetSize, work: (fleet: FakeFleet) => Promise<T>): Promise<T> {
    const { server, root, profile } = this.#parts;
    const own = { redisUrl: server.url, stateDirectory: root, ...(profile === undefined ? {} : { profile }) };
    const fleet = await FakeFleet.start({ ...own, ...options });
    this.#fleet = fleet;
    try {
      return await work(fleet);
    } finally {
      await fleet.stop();
      this.#fleet = undefined;
    }
  }

  async call<Body>(method: 'GET' | 'POST', path: string, options: CallOptions = {}): Promise<Body> {
    return (await (await this.open(method, path, options)).json()) as Body;
  }

  /** @throws Error with what the API says, where it is no success */
  async open(method: 'GET' | 'POST', path: string, { tenant = 'default', ...body }: CallOptions = {}): Promise<Response> {
    const answer = await fetch(this.url + path, {
      method,
      headers: {
        'accept-encoding': 'identity',
        authorization: `Bearer ${KEYS[tenant]}`,
        ...(body.type === undefined ? {} : { 'content-type': body.type }),
      },
      ...(body.body === undefined ? {} : { body: body.body, duplex: 'half' }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  async #stop(): Promise<void> {
    const { api, redis, server, root } = this.#parts;
    redis.disconnect();
    if (api.exitCode === null && api.signalCode === null) {
      const exited = once(api, 'exit');
      api.kill('SIGTERM');
      await exited;
    }
    await server.stop();
    await rm(root, { recursive: true, force: true });
  }
}

/** @throws Error if the API ends before it listens */
async function readyUrl(api: ChildProcess): Promise<string> {
  const ready = once(api, 'message').then(([message]) => (message as { readonly url: string }).url);
  const ended = once(api, 'exit').then(([code]) => Promise.reject(new Error(`The API ended with ${String(code)} before it was ready.`)));
  return await Promise.race([ready, ended]);
}

export interface FleetSize {
  readonly workers: number;
  readonly processes: number;
  readonly shape: FakeModelShape;
}

interface CallOptions {
  readonly tenant?: (typeof TENANTS)[number];
  readonly type?: string;
  readonly body?: string | ReadStream;
}

interface StandParts {
  readonly root: string;
  readonly server: Awaited<ReturnType<typeof RedisServer.start>>;
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly redisPid: number;
  readonly api: ChildProcess;
  readonly url: string;
  readonly profile: string | undefined;
}
