import { join } from 'node:path';
import { Module, type DynamicModule } from '@nestjs/common';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { BullmqQueueControl } from '@rerank-fleet/core/adapters/bullmq/bullmq-queue-control';
import { openBlobStore } from '@rerank-fleet/core/adapters/blobs/open-blob-store';
import { ApiKeys } from '@rerank-fleet/core/adapters/redis/api-keys';
import { BatchEvents } from '@rerank-fleet/core/adapters/redis/batch-events';
import { AdmissionJobRoom } from '@rerank-fleet/core/adapters/redis/admission-job-room';
import { AdmissionSyncTokens } from '@rerank-fleet/core/adapters/redis/admission-sync-tokens';
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { RedisBatchLedger } from '@rerank-fleet/core/adapters/redis/redis-batch-ledger';
import { RedisClock } from '@rerank-fleet/core/adapters/redis/redis-clock';
import { assertRedisFit, connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { ResultBoard } from '@rerank-fleet/core/adapters/redis/result-board';
import { ResultInbox } from '@rerank-fleet/core/adapters/redis/result-inbox';
import { Sequence } from '@rerank-fleet/core/adapters/redis/sequence';
import { TaskBodies } from '@rerank-fleet/core/adapters/redis/task-bodies';
import type { Config } from '@rerank-fleet/core/config';
import { IngestJobs, type BatchLedger, type JobRoom } from '@rerank-fleet/core/jobs';
import type { BlobStore, CandidateStore, DocumentStore, JobQueue, QueueControl } from '@rerank-fleet/core/ports';
import type { Logger } from 'pino';
import type { BoardQueue } from './admin/queue-board.js';
import type { WithdrawnAnswers } from './admin/queues.service.js';
import type { SyncTokens } from './admission/sync-admission.js';
import type { KeyStore } from './auth/stored-keys.js';
import { TaskDispatcher } from './dispatch/task-dispatcher.js';
import type { DemandSource } from './scaling/scaling.service.js';
import type { FleetSource } from '@rerank-fleet/core/requests';
import { ADAPTERS } from './tokens.js';

/** Everything behind the HTTP edge. */
export interface Adapters {
  readonly candidateStore: Pick<CandidateStore, 'countPassages'>;
  readonly documentStore: DocumentStore;
  readonly dispatcher: Pick<TaskDispatcher, 'call' | 'submit'>;
  readonly fleet: FleetSource;
  /** Tokens of calls that wait for an answer. */
  readonly syncTokens: SyncTokens;
  /** What is asked of pools, of all processes. */
  readonly demand: DemandSource;
  /** Rows and bytes of batch jobs. */
  readonly jobRoom: JobRoom;
  /** Of uploaded files. */
  readonly fileRoom: JobRoom;
  readonly jobs: Pick<IngestJobs, 'begin' | 'find' | 'list' | 'remove' | 'record' | 'slice' | 'giveUpSlice' | 'reopenSlice'>;
  readonly blobs: BlobStore;
  readonly batchLedger: BatchLedger;
  /** Tells of which batch jobs something has changed. */
  readonly batchEvents: Pick<BatchEvents, 'listen'>;
  readonly queue: Pick<JobQueue, 'enqueue' | 'discard' | 'depth' | 'peek' | 'isPaused' | 'pause' | 'resume'>;
  readonly queueControl: QueueControl;
  /** A queue as Bull Board wants it. */
  readonly boardQueue: (name: string) => BoardQueue;
  /** Of calls that operators take out of their queue. */
  readonly board: WithdrawnAnswers;
  readonly bodies: { drop(bodyRef: string): Promise<void> };
  /** Keys that were made over the API. */
  readonly apiKeys: KeyStore;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  readonly sequence: { next(count?: number): Promise<number> };
  /** Rejects when the queue cannot be reached. */
  readonly pingQueue: () => Promise<unknown>;
}

export interface OpenAdapters extends Adapters {
  close(): Promise<void>;
}

/** The one place that knows which adapter stands behind which port. */
@Module({})
export class AdaptersModule {
  static of(adapters: Adapters): DynamicModule {
    return { module: AdaptersModule, global: true, providers: [{ provide: ADAPTERS, useValue: adapters }], exports: [ADAPTERS] };
  }
}

/**
 * Opens what the configuration names.
 *
 * @throws RerankError `queue_unavailable`, `candidate_store_unavailable`, `storage_full`; UnfitRedisError
 */
export async function openAdapters(config: Config, logger: Logger): Promise<OpenAdapters> {
  const onFault = faultLog(logger);
  const closers: (() => unknown)[] = [];
  try {
    const redis = await connectRedis(config.redis.url, { role: 'producer', name: 'api', onFault });
    closers.push(() => redis.disconnect());
    await assertRedisFit(redis);
    const inbox = await ResultInbox.start(redis, await connectRedis(config.redis.url, { role: 'consumer', name: 'api-results', onFault }));
    closers.push(() => inbox.stop());
    const batchEvents = await BatchEvents.start(await connectRedis(config.redis.url, { role: 'consumer', name: 'api-jobs', onFault }));
    closers.push(() => batchEvents.stop());
    const clock = await RedisClock.start(redis);
    closers.push(() => clock.stop());
    const queue = await BullmqJobQueue.open({ url: config.redis.url, onFault });
    closers.push(() => queue.close());
    const stores = await openStores(config);
    closers.push(() => Promise.all([stores.candidateStore.close(), stores.documentStore.close()]));
    const { blobs, close } = await openBlobStore(config.stores.blobs, {
      onFault: (error) => logger.warn({ err: error }, 'Abandoned writes could not be removed from the blob store; trying again later.'),
    });
    closers.push(close);
    const fleet = new FleetRegistry(redis);
    const syncTokens = new AdmissionSyncTokens(redis);
    const bodies = new TaskBodies(redis);
    const batchLedger = new RedisBatchLedger(redis, () => clock.now());
    return {
      ...stores,
      fleet,
      syncTokens,
      demand: demandOf(syncTokens, batchLedger, fleet),
      jobRoom: new AdmissionJobRoom(redis),
      fileRoom: AdmissionJobRoom.ofFiles(redis),
      dispatcher: new TaskDispatcher({ queue, inbox, bodies, fleet, clock }),
      jobs: new IngestJobs(blobs),
      blobs,
      batchLedger,
      batchEvents,
      queue,
      queueControl: new BullmqQueueControl((name) => queue.handle(name), redis),
      boardQueue: (name) => queue.handle(name),
      board: new ResultBoard(redis),
      bodies,
      apiKeys: new ApiKeys(redis),
      now: () => clock.now(),
      sequence: new Sequence(redis),
      // Each by its own connection, and a call needs both.
      pingQueue: () => Promise.all([redis.ping(), queue.ping()]),
      close: () => closeAll(closers),
    };
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

function demandOf(syncTokens: AdmissionSyncTokens, batchLedger: RedisBatchLedger, fleet: FleetRegistry): DemandSource {
  return {
    sync: (pool) => syncTokens.load(pool),
    batch: (pool, withinMs) => batchLedger.backlog(pool, withinMs),
    isDemanded: (pool) => fleet.isDemanded(pool),
    lastSpeed: (pool) => fleet.lastSpeed(pool),
  };
}

const FAULT_LOG_PAUSE_MS = 10_000;

/** Says that Redis is away, at most once in a while: the connections try again several times a second. */
function faultLog(logger: Logger): (error: Error) => void {
  let quietUntil = 0;
  return (error) => {
    if (performance.now() < quietUntil) return;
    quietUntil = performance.now() + FAULT_LOG_PAUSE_MS;
    logger.warn(`Redis cannot be reached (${error.message}); trying again`);
  };
}

/** Only the store that is asked for is loaded. */
async function openStores({
  stores,
  state,
}: Config): Promise<{ readonly candidateStore: CandidateStore; readonly documentStore: DocumentStore }> {
  if (stores.qdrantUrl === undefined) {
    const { openEmbeddedStores } = await import('@rerank-fleet/core/adapters/embedded/index');
    return openEmbeddedStores({ directory: join(state.directory, 'store'), readOnly: true });
  }
  const { openQdrantStores } = await import('@rerank-fleet/core/adapters/qdrant/index');
  const { qdrantUrl: url, qdrantApiKey: apiKey, qdrantTimeoutMs: timeoutMs } = stores;
  return openQdrantStores({ url, timeoutMs, ...(apiKey === undefined ? {} : { apiKey }) });
}

/** Last opened, first closed; one that fails keeps none from closing. */
async function closeAll(closers: readonly (() => unknown)[]): Promise<void> {
  for (const close of closers.toReversed())
    await Promise.resolve()
      .then(close)
      .catch(() => undefined);
}
