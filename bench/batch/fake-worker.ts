import { randomUUID } from 'node:crypto';
import { openBlobStore } from '@rerank-fleet/core/adapters/blobs/open-blob-store';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { CancelWatch } from '@rerank-fleet/core/adapters/redis/cancel-watch';
import { FleetRegistry, HEARTBEAT_MS } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { RedisClock } from '@rerank-fleet/core/adapters/redis/redis-clock';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { ResultBoard } from '@rerank-fleet/core/adapters/redis/result-board';
import { TaskBodies } from '@rerank-fleet/core/adapters/redis/task-bodies';
import type { Config } from '@rerank-fleet/core/config';
import type { WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import type { Logger } from '@rerank-fleet/core/observability';
import { consumeTasks, type GiveUpSlice } from '@rerank-fleet/worker/composition/consume-tasks';
import { every } from '@rerank-fleet/worker/composition/every';
import { startBatch } from '@rerank-fleet/worker/composition/start-batch';
import { EngineMeter } from '@rerank-fleet/worker/ops/engine-meter';
import { meterHandlers } from '@rerank-fleet/worker/ops/meter-handlers';
import { createWorkerMetrics } from '@rerank-fleet/worker/ops/worker-metrics';
import { BatchScheduler } from '@rerank-fleet/worker/pipeline/batch-scheduler';
import { PairScorer } from '@rerank-fleet/worker/pipeline/score-pairs';
import { CrossEncoders } from '@rerank-fleet/worker/tasks/cross-encoders';
import { rerankTask } from '@rerank-fleet/worker/tasks/rerank-task';
import { TaskProcessor, type TaskHandlers } from '@rerank-fleet/worker/tasks/task-processor';
import { FixedLatencyRunner, FixedLengthEncoder, type FakeModelShape } from './fake-model.ts';

/** As a worker has it. */
const KEEP_MS = 2_000;
const RECOVER_MS = 60_000;
const RERANKER = { name: 'fixed-latency', kind: 'cross-encoder', sha256: 'f'.repeat(64), maxLength: 512, precision: 'fp16' } as const;
/** That the corpora of the bench name. */
const EMBEDDER = {
  name: 'tiny-embedder',
  kind: 'embedder',
  sha256: 'e'.repeat(64),
  maxLength: 512,
  precision: 'fp32',
  dimensions: 4,
} as const;

export interface FakeWorker {
  readonly runner: FixedLatencyRunner;
  stop(): Promise<void>;
}

/** A worker of which only tokenizer and model are not real: it takes rerank calls and batch jobs, from the same Redis and blobs as real ones. */
export async function startFakeWorker(config: Config, shape: FakeModelShape, log: Logger): Promise<FakeWorker> {
  const links = await connect(config, log);
  const { redis, clock, queue, registry, blobs, cancels } = links;
  const engine = startEngine(shape);
  const announcement = describe(config, shape);
  const batch = startBatch({
    config,
    redis,
    blobs,
    queue,
    registry,
    documents: { findCorpus: () => Promise.resolve(undefined) },
    cancels,
    clock,
    announcement,
    handlers: { rerank: engine.rerank, search: notHere },
    log,
  });
  const handlers = { rerank: engine.rerank, search: notHere, ingest: notHere, corpus: notHere, batch: batch.handler };
  const processor = new TaskProcessor({
    board: new ResultBoard(redis),
    bodies: new TaskBodies(redis),
    cancels,
    clock,
    log,
    handlers: meterHandlers(handlers, engine.metrics.instruments),
    giveUpIngest: notHere,
  });
  const giveUp: GiveUpSlice = (tenant, body, error) => (body.kind === 'batch' ? batch.giveUp(tenant, body, error) : notHere());
  const consumers = await consumeTasks({ config, queue, processor, giveUp, log });
  const announce = (): Promise<void> => registry.announce({ ...announcement, announced_at: clock.now() });
  await announce();
  const timers = [
    every(HEARTBEAT_MS, log, announce),
    every(KEEP_MS, log, () => batch.keeper.sweep()),
    every(RECOVER_MS, log, () => batch.keeper.recover()),
  ];
  return {
    runner: engine.runner,
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      await Promise.all(consumers.map((consumer) => consumer.close(config.worker.drainMs)));
      await processor.giveBack();
      await registry.withdraw(announcement.worker_id);
      await links.close();
    },
  };
}

/** All that a worker is connected to. */
async function connect({ redis: { url }, stores }: Config, log: Logger) {
  const redis = await connectRedis(url, { role: 'consumer', name: 'worker' });
  const cancels = await CancelWatch.start(redis, await connectRedis(url, { role: 'consumer', name: 'cancels' }));
  const clock = await RedisClock.start(redis);
  const queue = await BullmqJobQueue.open({ url });
  const opened = await openBlobStore(stores.blobs, { onFault: (error) => log.warn({ err: error }, 'The blob store has a fault.') });
  const close = async (): Promise<void> => {
    opened.close();
    clock.stop();
    cancels.stop();
    await queue.close();
    redis.disconnect();
  };
  return { redis, cancels, clock, queue, registry: new FleetRegistry(redis), blobs: opened.blobs, close };
}

function startEngine(shape: FakeModelShape) {
  const runner = new FixedLatencyRunner(shape);
  const metrics = createWorkerMetrics();
  const scheduler = new BatchScheduler({
    models: [{ sha256: RERANKER.sha256, maxLength: RERANKER.maxLength, maxBatchTokens: shape.batchPairs * shape.pairTokens }],
    runners: [runner],
    maxBatchDelayMs: 2,
    observer: new EngineMeter(metrics.instruments, [RERANKER]),
  });
  const scorer = new PairScorer(RERANKER, { encoder: new FixedLengthEncoder(shape), scheduler });
  const rerank: TaskHandlers['rerank'] = rerankTask({
    encoders: new CrossEncoders([scorer]),
    deterministic: false,
    effort: 'full',
    cacheDocuments: false,
  });
  return { runner, metrics, rerank };
}

function describe({ worker }: Config, { batchPairs, pairTokens }: FakeModelShape): WorkerAnnouncement {
  return {
    worker_id: `fake-${randomUUID()}`,
    pool: worker.pool,
    state: 'ready',
    device: 'cuda',
    models: [RERANKER, EMBEDDER],
    started_at: Date.now(),
    engine: { max_batch_tokens: batchPairs * pairTokens, sessions: 1, intra_op_threads: 1, tuned: false },
    batch_slots: worker.batchConcurrency,
  };
}

function notHere(): Promise<never> {
  return Promise.reject(new Error('The simulated workers take rerank calls and rerank rows only.'));
}
