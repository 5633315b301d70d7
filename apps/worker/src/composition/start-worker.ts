import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { openFirstStages } from '@rerank-fleet/core/adapters/external/open-first-stages';
import { CancelWatch } from '@rerank-fleet/core/adapters/redis/cancel-watch';
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { RedisClock } from '@rerank-fleet/core/adapters/redis/redis-clock';
import { assertRedisFit, connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { ResultBoard } from '@rerank-fleet/core/adapters/redis/result-board';
import { TaskBodies } from '@rerank-fleet/core/adapters/redis/task-bodies';
import type { Config } from '@rerank-fleet/core/config';
import { INGEST_QUEUE, TASK_VERSION, type TaskPayload } from '@rerank-fleet/core/contracts';
import { IngestJobs, SLICE_RETRIES, sliceTaskId } from '@rerank-fleet/core/jobs';
import { openTracing, type Logger } from '@rerank-fleet/core/observability';
import { meterHandlers } from '../ops/meter-handlers.js';
import { tracedFirstStage, tracedStore } from '../ops/traced-ports.js';
import { WorkerOps } from '../ops/worker-ops.js';
import type { RetrievalParts } from '../pipeline/retrieve-candidates.js';
import { rerankTask } from '../tasks/rerank-task.js';
import { searchTask } from '../tasks/search-task.js';
import { TaskProcessor, type TaskHandlers } from '../tasks/task-processor.js';
import { VERSION } from '../version.js';
import { Bm25Encoders } from '../tokenization/bm25-encoders.js';
import { announceWorker, describeWorker } from './announce-worker.js';
import { consumeTasks, type GiveUpSlice } from './consume-tasks.js';
import { consumeWebhooks } from '../webhooks/consume-webhooks.js';
import { every } from './every.js';
import { openStores } from './open-stores.js';
import { startRetention } from './retention.js';
import { startBatch } from './start-batch.js';
import { startCorpora } from './start-corpora.js';
import { startModels, type RunningModels } from './start-models.js';

/** How often slices are looked for whose tasks were lost with Redis. */
const SWEEP_MS = 60_000;
/** How often jobs are looked at that are over their time, or whose slices were lost. */
const KEEP_MS = 2_000;

export interface RunningWorker {
  readonly workerId: string;
  readonly models: RunningModels;
  /** Stops taking tasks, ends those in hand, then frees models, stores and connections, in this order. */
  stop(): Promise<void>;
}

/**
 * The worker's composition root: steps 4 to 10 of a request.
 *
 * @throws RerankError `queue_unavailable`, `model_unavailable`, …; UnfitRedisError; OpsAddressError
 */
export async function startWorker(config: Config, log: Logger, onHang: (detail: string) => void): Promise<RunningWorker> {
  // First, so that probes see a worker that loads its models.
  const ops = await WorkerOps.start(config, log);
  const facts = { 'rerank.pool': config.worker.pool, 'rerank.device': config.worker.device };
  const tracing = await openTracing({ config: config.tracing, process: 'worker', version: VERSION, facts, logger: log });
  const { url } = config.redis;
  const onFault = (error: Error): void => log.warn({ detail: error.message }, 'The connection to Redis has a fault.');
  const redis = await connectRedis(url, { role: 'consumer', name: 'worker', onFault });
  await assertRedisFit(redis);
  const models = await startModels(config, log, onHang, ops.metrics);
  const stores = await openStores(config, log);
  const external = openFirstStages(config.retrievers.connections);
  const cancels = await CancelWatch.start(redis, await connectRedis(url, { role: 'consumer', name: 'cancels', onFault }));
  const clock = await RedisClock.start(redis);
  const queue = await BullmqJobQueue.open({ url, onFault });
  const jobs = new IngestJobs(stores.blobs);
  const registry = new FleetRegistry(redis);
  const announcement = describeWorker(config, models);
  const bm25Encoders = new Bm25Encoders();
  const encodeSparseQuery: RetrievalParts['encodeSparseQuery'] = (query, { bm25 }) => bm25Encoders.of(bm25).encodeQuery(query);
  const { instruments } = ops.metrics;
  const corpora = startCorpora({ redis, models, stores, external, jobs, registry, clock, instruments, encodeSparseQuery, log });
  const retrieval = {
    store: tracedStore(stores.candidates),
    external: tracedFirstStage(external),
    embedders: models.embedders,
    encodeSparseQuery,
  };
  const requestHandlers = { ...scoringHandlers(config, models, retrieval), ...corpora.handlers };
  const batch = startBatch({
    config,
    redis,
    blobs: stores.blobs,
    queue,
    registry,
    documents: stores.documents,
    cancels,
    clock,
    announcement,
    handlers: requestHandlers,
    log,
  });
  const processor = new TaskProcessor({
    board: new ResultBoard(redis),
    bodies: new TaskBodies(redis),
    cancels,
    clock,
    log,
    handlers: meterHandlers({ ...requestHandlers, batch: batch.handler }, instruments),
    giveUpIngest: (tenant, body, error) => jobs.giveUpSlice(tenant, body.job_id, body.slice, error),
  });
  const giveUp: GiveUpSlice = (tenant, body, error) =>
    body.kind === 'ingest' ? jobs.giveUpSlice(tenant, body.job_id, body.slice, error) : batch.giveUp(tenant, body, error);
  const consumers = [
    ...(await consumeTasks({ config, queue, processor, giveUp, log })),
    await consumeWebhooks({ config, queue, blobs: stores.blobs, log }),
  ];
  ops.enter('ready');
  const announcer = await announceWorker({ announcement, models, ops, registry, clock, log });
  corpora.start();
  const requeue = (): Promise<void> => requeueSlices({ jobs, queue, clock, log });
  const sweep = every(SWEEP_MS, log, requeue);
  const quickKeeping = every(KEEP_MS, log, () => batch.keeper.sweep());
  const thoroughKeeping = every(SWEEP_MS, log, () => batch.keeper.recover());
  void batch.keeper.recover().catch((error: unknown) => log.warn({ err: error }, 'Jobs could not be looked through; it is tried again.'));
  const retention = startRetention({ redis, blobs: stores.blobs, days: config.worker.jobRetentionDays, log });
  // Not waited for: a backlog of uploads keeps no worker from its calls.
  void requeue().catch((error: unknown) => log.warn({ err: error }, 'Uploads could not be looked through; it is tried again.'));

  return {
    workerId: announcement.worker_id,
    models,
    stop: async () => {
      ops.enter('draining');
      for (const timer of [sweep, quickKeeping, thoroughKeeping]) clearInterval(timer);
      clearInterval(retention);
      await announcer.tell().catch(() => undefined);
      await Promise.all([corpora.stop(), ...consumers.map((consumer) => consumer.close(config.worker.drainMs))]);
      await processor.giveBack();
      await announcer.withdraw().catch(() => undefined);
      await models.close();
      await stores.close();
      external.close();
      clock.stop();
      cancels.stop();
      await queue.close();
      redis.disconnect();
      await ops.close();
      await tracing.close();
    },
  };
}

function scoringHandlers(
  { worker }: Config,
  { encoders }: RunningModels,
  retrieval: RetrievalParts,
): Pick<TaskHandlers, 'rerank' | 'search'> {
  const { deterministic, effort, scoreCacheDocuments: cacheDocuments } = worker;
  const scoring = { encoders, deterministic, effort, cacheDocuments };
  return { rerank: rerankTask(scoring), search: searchTask(retrieval, scoring) };
}

interface SweepParts {
  readonly jobs: IngestJobs;
  readonly queue: BullmqJobQueue;
  readonly clock: RedisClock;
  readonly log: Logger;
}

/** Uploads whose tasks Redis lost, or that were made visible by an API that died before it queued them. Queued ids are left as they are. */
async function requeueSlices({ jobs, queue, clock, log }: SweepParts): Promise<void> {
  const onUnreadable = (key: string, error: unknown): void => log.error({ err: error, key }, 'A job cannot be read; it is passed over.');
  for await (const { record, slice } of jobs.unfinished(onUnreadable)) {
    const id = sliceTaskId(record.id, slice);
    const payload: TaskPayload = {
      v: TASK_VERSION,
      id,
      tenant: record.tenant,
      request_id: record.id,
      pool: 'ingest',
      enqueued_ms: clock.now(),
      body: { kind: 'ingest', job_id: record.id, slice },
    };
    await queue.enqueue(INGEST_QUEUE, { id, payload, retries: SLICE_RETRIES });
  }
}
