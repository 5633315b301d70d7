import { backoffDelayMs } from '@rerank-fleet/core/adapters/backoff-delay';
import type { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { KEY_PREFIX, type connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { takeTurn } from '@rerank-fleet/core/adapters/redis/take-turn';
import { TombstoneMark } from '@rerank-fleet/core/adapters/redis/tombstone-mark';
import type { IngestJobs } from '@rerank-fleet/core/jobs';
import { inFrame, type Logger } from '@rerank-fleet/core/observability';
import type { FirstStage } from '@rerank-fleet/core/ports';
import { corpusTask } from '../ingest/corpus-task.js';
import { DeletionRetries } from '../ingest/deletion-retries.js';
import type { IndexingParts } from '../ingest/index-documents.js';
import { ingestTask, type IngestParts } from '../ingest/ingest-task.js';
import { purgeTombstones } from '../ingest/purge-tombstones.js';
import { RefusedDeletions, type RefusedDeletionsParts } from '../ingest/refused-deletions.js';
import { settleDeletes } from '../ingest/settle-deletes.js';
import { settleGivenUp } from '../ingest/settle-given-up.js';
import type { WorkerInstruments } from '../ops/worker-metrics.js';
import { ReindexKeeper, type ReindexKeeperParts } from '../reindex/reindex-keeper.js';
import { REINDEX_LIMITS, type ReindexMeter } from '../reindex/reindex-parts.js';
import type { TaskHandlers } from '../tasks/task-processor.js';
import { every } from './every.js';
import type { Stores } from './open-stores.js';
import type { RunningModels } from './start-models.js';

/** Grows when there is a reindex to look at. It may be lost: the records say what there is to do. */
const HINT = `${KEY_PREFIX}:reindex:hint`;
const HINT_MS = 1_000;
/** How often deletions, and uploads that were given up, are looked for that nobody came to the end of. */
const SETTLE_MS = 10_000;
const PURGE_MS = 3_600_000;
/** Of a step of a reindex that failed, as while a store is away. */
const BACKOFF = { firstMs: 250, lastMs: 15_000 };
/** Of a deletion that failed: until it is carried through, searches may find what is deleted. */
const DELETION_BACKOFF = { firstMs: 250, lastMs: 5_000 };

export interface CorporaParts {
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly queue: RefusedDeletionsParts['queue'];
  readonly models: Pick<RunningModels, 'embedders' | 'texts'>;
  readonly stores: Stores;
  readonly external: FirstStage;
  readonly jobs: IngestJobs;
  readonly registry: FleetRegistry;
  readonly clock: { now(): number };
  readonly instruments: Pick<WorkerInstruments, 'reindexDocuments' | 'reindexThrottled' | 'reindexesInHand'>;
  readonly encodeSparseQuery: ReindexKeeperParts['encodeSparseQuery'];
  readonly log: Logger;
}

export interface CorporaWork {
  readonly handlers: Pick<TaskHandlers, 'ingest' | 'corpus'>;
  /** Takes reindexes from now on. */
  start(): void;
  /** Lets go of them, for other workers. */
  stop(): Promise<void>;
}

/** The worker's share in corpora: uploads, changes, and reindexes. */
export function startCorpora(parts: CorporaParts): CorporaWork {
  const { models, stores, external, jobs, clock, log, redis } = parts;
  const { candidates, documents } = stores;
  const { embedders, texts } = models;
  const now = (): number => clock.now();
  const cutDocuments: IndexingParts['cutDocuments'] = (cut, version, signal) =>
    texts.cutDocuments(version.embedder.sha256, cut, version, { priority: 'batch', signal });
  const indexing = { documents, candidates, embedders, cutDocuments };
  const keeper = reindexKeeper(parts, indexing);
  const stopping = new AbortController();
  const refused = new RefusedDeletions({ queue: parts.queue, now });
  const retries = deletionRetries(parts, refused);
  let timers: readonly NodeJS.Timeout[] = [];
  return {
    handlers: {
      ingest: ingestTask({ ...indexing, jobs }),
      corpus: corpusTask({
        ...indexing,
        external,
        now,
        onReindex: (ref) => inFrame(undefined, () => keeper.poke(ref)),
        onDeletionCut: (pending) => inFrame(undefined, () => retries.take(pending)),
      }),
    },
    start: () => {
      timers = [
        every(REINDEX_LIMITS.lookMs, log, () => keeper.look()),
        every(HINT_MS, log, followHint(redis, keeper)),
        ...keepDeletions(parts, refused),
        keepGivenUp(parts, indexing, stopping.signal),
      ];
      void keeper.look().catch((error: unknown) => log.warn({ err: error }, 'Reindexes could not be looked through; it is tried again.'));
    },
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      stopping.abort();
      await Promise.all([keeper.stop(), retries.stop()]);
    },
  };
}

function reindexKeeper(parts: CorporaParts, indexing: Omit<IngestParts, 'jobs'>): ReindexKeeper {
  const { registry, redis, clock, log, encodeSparseQuery } = parts;
  return new ReindexKeeper({
    ...indexing,
    now: () => clock.now(),
    log,
    encodeSparseQuery,
    meter: meterOf(parts.instruments),
    limits: REINDEX_LIMITS,
    pauseMs: (failures, error) => backoffDelayMs(BACKOFF, failures, error),
    heldModels: async () => new Set((await registry.live()).flatMap((worker) => worker.models.map(({ sha256 }) => sha256))),
    tell: async () => {
      await redis.incr(HINT);
    },
  });
}

function deletionRetries({ stores, clock, log }: CorporaParts, refused: RefusedDeletions): DeletionRetries {
  const { documents, candidates } = stores;
  const pauseMs = (failures: number): number => backoffDelayMs(DELETION_BACKOFF, failures);
  return new DeletionRetries({ documents, candidates, refused, now: () => clock.now(), log, pauseMs });
}

/** One of the workers carries through what others began to delete, and forgets deletions that hold nobody back. */
function keepDeletions({ redis, stores, jobs, clock, log }: CorporaParts, refused: RefusedDeletions): readonly NodeJS.Timeout[] {
  const { documents, candidates } = stores;
  const now = (): number => clock.now();
  const mark = new TombstoneMark(redis);
  return [
    every(SETTLE_MS, log, async () => {
      if (await takeTurn(redis, 'deletes', SETTLE_MS / 2)) await settleDeletes({ documents, candidates, refused, now, log });
    }),
    every(PURGE_MS, log, async () => {
      if (await takeTurn(redis, 'tombstones', PURGE_MS / 2)) await purgeTombstones({ documents, jobs, mark, now, log });
    }),
  ];
}

/** One of the workers settles what uploads that were given up have begun. */
function keepGivenUp({ redis, jobs, log }: CorporaParts, indexing: Omit<IngestParts, 'jobs'>, stopping: AbortSignal): NodeJS.Timeout {
  return every(SETTLE_MS, log, async () => {
    if (await takeTurn(redis, 'given-up', SETTLE_MS / 2)) await settleGivenUp({ ...indexing, slices: jobs.givenUp, log }, stopping);
  });
}

function followHint(redis: CorporaParts['redis'], keeper: ReindexKeeper): () => Promise<void> {
  let hint: string | null = null;
  return async () => {
    const latest = await redis.get(HINT);
    if (latest === hint) return;
    hint = latest;
    await keeper.look();
  };
}

function meterOf({ reindexDocuments, reindexThrottled, reindexesInHand }: CorporaParts['instruments']): ReindexMeter {
  return {
    documents: (outcome, count) => reindexDocuments.add(count, { outcome }),
    throttled: (ms) => reindexThrottled.add(ms / 1_000),
    inHand: (reindexes) => reindexesInHand.set(reindexes),
  };
}
