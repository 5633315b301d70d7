import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAdapters, type OpenAdapters } from '@rerank-fleet/api/adapters.module';
import type { OutcomeOf, TaskCall } from '@rerank-fleet/api/dispatch/task-dispatcher';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { loadConfig } from '@rerank-fleet/core/config';
import type { CorpusTask, RerankTask, TaskBody } from '@rerank-fleet/core/contracts';
import { sliceTaskId } from '@rerank-fleet/core/jobs';
import { createLogger } from '@rerank-fleet/core/observability';
import { expect } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { writeTinyModel } from '../support/tiny-models/index.js';
import { WorkerProcess, type WorkerProcessOptions } from '../support/worker-process.js';

export const TENANT = 'default';
const NOBODY_LEAVES = new AbortController().signal;

/** A private Redis and state directory, the API's side of the queue, and as many workers on tiny models as a test starts. */
export class WorkerStack {
  readonly redis: RedisServer;
  readonly api: OpenAdapters;
  readonly #root: string;
  readonly #connection: Awaited<ReturnType<typeof connectRedis>>;
  readonly #workers: WorkerProcess[] = [];

  private constructor(root: string, redis: RedisServer, api: OpenAdapters, connection: Awaited<ReturnType<typeof connectRedis>>) {
    this.#root = root;
    this.redis = redis;
    this.api = api;
    this.#connection = connection;
  }

  static async start(): Promise<WorkerStack> {
    const [root, redis] = await Promise.all([mkdtemp(join(tmpdir(), 'rerank-worker-')), RedisServer.start()]);
    await writeTinyModel(join(root, 'tiny-reranker'), { kind: 'cross-encoder', layout: 'bert', slowTurns: 150_000 });
    await writeTinyModel(join(root, 'tiny-embedder'), { kind: 'embedder', layout: 'bert' });
    const config = loadConfig({ REDIS_URL: redis.url, RERANK_STATE_DIR: join(root, 'state') });
    const connection = await connectRedis(redis.url, { role: 'consumer', name: 'test' });
    return new WorkerStack(root, redis, await openAdapters(config, createLogger({ level: 'error', process: 'api' })), connection);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end('SIGKILL')));
    await this.api.close();
    this.#connection.disconnect();
    await this.redis.stop();
    await rm(this.#root, { recursive: true, force: true });
  }

  get stateDirectory(): string {
    return join(this.#root, 'state');
  }

  async startWorker(settings: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
    const worker = await WorkerProcess.start(this.#workerOptions(settings));
    this.#workers.push(worker);
    return worker;
  }

  /** A worker that may refuse to start. */
  spawnWorker(settings: Readonly<Record<string, string>>): WorkerProcess {
    const worker = WorkerProcess.spawn(this.#workerOptions(settings));
    this.#workers.push(worker);
    return worker;
  }

  #workerOptions(settings: Readonly<Record<string, string>>): WorkerProcessOptions {
    return {
      redisUrl: this.redis.url,
      stateDirectory: this.stateDirectory,
      rerankModels: [join(this.#root, 'tiny-reranker')],
      embeddingModel: join(this.#root, 'tiny-embedder'),
      settings,
    };
  }

  /** The revision that the live worker announces. */
  async pin(): Promise<{ readonly name: string; readonly sha256: string }> {
    const [worker] = await this.api.fleet.live();
    const { name = '', sha256 = '' } = worker?.models[0] ?? {};
    return { name, sha256 };
  }

  async rerankBody(documents: readonly string[], overrides: Partial<RerankTask> = {}): Promise<RerankTask> {
    return {
      kind: 'rerank',
      stages: [{ model: await this.pin() }],
      query: 'prune apple tree',
      documents: [...documents],
      top_n: documents.length,
      long_document: 'truncate',
      deterministic: false,
      ...overrides,
    };
  }

  /** As the API calls a worker for a request. */
  call<Body extends TaskBody>(body: Body, overrides: Partial<TaskCall<Body>> = {}): Promise<OutcomeOf<Body>> {
    const standard = {
      queue: 'sync',
      tenant: TENANT,
      requestId: 'test',
      pool: 'default',
      timeoutMs: 20_000,
      signal: NOBODY_LEAVES,
    } as const;
    const answer = this.api.dispatcher.call({ ...standard, body, ...overrides });
    // A test that fails early leaves its call behind.
    answer.catch(() => undefined);
    return answer;
  }

  makeCorpus(corpus: string): Promise<OutcomeOf<CorpusTask>> {
    return this.call<CorpusTask>({ kind: 'corpus', corpus, change: { op: 'put', settings: {} } });
  }

  /** Uploads documents to a corpus that is or was there; resolves to the job's id. */
  async ingest(
    corpus: { readonly name: string; readonly id: string },
    documents: readonly { readonly id: string; readonly text: string }[],
  ): Promise<string> {
    const upload = this.api.jobs.begin({ tenant: TENANT, corpus: corpus.name, corpusId: corpus.id });
    for (const [index, document] of documents.entries()) await upload.add({ line: index + 1, document });
    const job = await upload.commit((count) => this.api.sequence.next(count));
    for (const slice of job.slices.keys()) {
      const body = { kind: 'ingest', job_id: job.id, slice } as const;
      await this.api.dispatcher.submit({
        queue: 'ingest',
        id: sliceTaskId(job.id, slice),
        tenant: TENANT,
        requestId: 'test',
        pool: 'ingest',
        body,
      });
    }
    return job.id;
  }

  async finished(jobId: string) {
    await expect.poll(async () => (await this.api.jobs.find(TENANT, jobId))?.status, { timeout: 15_000, interval: 20 }).toBe('completed');
    return await this.api.jobs.find(TENANT, jobId);
  }

  /** Resolves once workers took that many tasks, repeats included; one that runs alone is taken once more for that. */
  async taken(count: number): Promise<void> {
    const fences = async (): Promise<number> => {
      const keys = await this.keys('fence');
      return keys.length === 0 ? 0 : (await this.#connection.mget(keys)).reduce((sum, fence) => sum + Number(fence), 0);
    };
    await expect.poll(fences, { timeout: 15_000, interval: 5 }).toBeGreaterThanOrEqual(count);
  }

  keys(kind: 'fence' | 'body' | 'score'): Promise<string[]> {
    return this.#connection.keys(`{rf}:${kind}:*`);
  }
}
