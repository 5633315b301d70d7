import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { assertRedisFit, connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { ResultBoard } from '@rerank-fleet/core/adapters/redis/result-board';
import { TaskBodies } from '@rerank-fleet/core/adapters/redis/task-bodies';
import type { Config } from '@rerank-fleet/core/config';
import { IngestJobs } from '@rerank-fleet/core/jobs';
import { openTracing, type Logger } from '@rerank-fleet/core/observability';
import { meterHandlers } from '../ops/meter-handlers.js';
import { tracedFirstStage, tracedStore } from '../ops/traced-ports.js';
import { WorkerOps } from '../ops/worker-ops.js';
import type { RetrievalParts } from '../pipeline/retrieve-candidates.js';
import { rerankTask } from '../tasks/rerank-task.js';
import { searchTask } from '../tasks/search-task.js';
import { TaskProcessor, type TaskHandlers, type TaskProcessorParts } from '../tasks/task-processor.js';
import { VERSION } from '../version.js';
import { Bm25Encoders } from '../tokenization/bm25-encoders.js';
import { announceWorker, describeWorker } from './announce-worker.js';
import { consumeTasks, type GiveUpSlice } from './consume-tasks.js';
import { consumeWebhooks } from '../webhooks/consume-webhooks.js';
import { keepJobs } from './keep-jobs.js';
import { openConnections, type Connections } from './open-connections.js';
import { startBatch } from './start-batch.js';
import { startCorpora } from './start-corpora.js';
import { startModels, type RunningModels } from './start-models.js';

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
  const onFault = (error: Error): void => log.warn({ detail: error.message }, 'The connection to Redis has a fault.');
  const redis = await connectRedis(config.redis.url, { role: 'consumer', name: 'worker', onFault });
  await assertRedisFit(redis);
  const models = await startModels(config, log, onHang, ops.metrics);
  const connections = await openConnections({ config, redis, onFault, log });
  const { stores, external, cancels, clock, queue } = connections;
  const { blobs, documents } = stores;
  const jobs = new IngestJobs(blobs);
  const registry = new FleetRegistry(redis);
  const announcement = describeWorker(config, models);
  const { instruments } = ops.metrics;
  const retrieval = retrievalParts(models, connections);
  const { encodeSparseQuery } = retrieval;
  const corpora = startCorpora({ redis, queue, models, stores, external, jobs, registry, clock, instruments, encodeSparseQuery, log });
  const handlers = { ...scoringHandlers(config, models, retrieval), ...corpora.handlers };
  const batch = startBatch({ config, redis, blobs, queue, registry, documents, cancels, clock, announcement, handlers, log });
  const metered = meterHandlers({ ...handlers, batch: batch.handler }, instruments);
  const processor = taskProcessor({ redis, cancels, clock, log, handlers: metered, jobs });
  const giveUp: GiveUpSlice = (tenant, body, error) =>
    body.kind === 'ingest' ? jobs.giveUpSlice(tenant, body.job_id, body.slice, error) : batch.giveUp(tenant, body, error);
  const consumers = [
    ...(await consumeTasks({ config, queue, processor, giveUp, log })),
    await consumeWebhooks({ config, queue, blobs, log }),
  ];
  ops.enter('ready');
  const announcer = await announceWorker({ announcement, models, ops, registry, clock, log });
  corpora.start();
  const { jobRetentionDays: retentionDays, drainMs } = config.worker;
  const stopKeeping = keepJobs({ redis, queue, blobs, jobs, keeper: batch.keeper, clock, retentionDays, log });

  return {
    workerId: announcement.worker_id,
    models,
    stop: async () => {
      ops.enter('draining');
      stopKeeping();
      await announcer.tell().catch(() => undefined);
      await Promise.all([corpora.stop(), ...consumers.map((consumer) => consumer.close(drainMs))]);
      await processor.giveBack();
      await announcer.withdraw().catch(() => undefined);
      await models.close();
      await connections.close();
      await ops.close();
      await tracing.close();
    },
  };
}

interface ProcessorParts extends Pick<TaskProcessorParts, 'cancels' | 'clock' | 'log' | 'handlers'> {
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly jobs: IngestJobs;
}

function taskProcessor({ redis, jobs, ...parts }: ProcessorParts): TaskProcessor {
  return new TaskProcessor({
    board: new ResultBoard(redis),
    bodies: new TaskBodies(redis),
    giveUpIngest: (tenant, body, error) => jobs.giveUpSlice(tenant, body.job_id, body.slice, error),
    ...parts,
  });
}

function retrievalParts({ embedders }: RunningModels, { stores, external }: Pick<Connections, 'stores' | 'external'>): RetrievalParts {
  const encoders = new Bm25Encoders();
  return {
    store: tracedStore(stores.candidates),
    external: tracedFirstStage(external),
    embedders,
    encodeSparseQuery: (query, { bm25 }) => encoders.of(bm25).encodeQuery(query),
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
