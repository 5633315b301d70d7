import { RerankClient } from '@rerank-fleet/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { BatchRun, drawBatches } from './batch-load.ts';
import type { ChaosStack } from './chaos-stack.ts';
import {
  checkDatabase,
  clearAway,
  collectCollections,
  collectDocuments,
  collectFiles,
  collectJob,
  collectKeys,
  collectReindex,
  collectStrangers,
} from './collect.ts';
import { DocumentLoad } from './document-load.ts';
import { drawFaults, type RunSize } from './fault-schedule.ts';
import { findViolations, type Violation } from './find-violations.ts';
import { inflict } from './inflict.ts';
import type { Observation } from './observation.ts';
import { STABLE_CORPUS, type Ask, type Oracle } from './oracle.ts';
import { LagWatch } from './lag-watch.ts';
import { ReindexRun, type ReindexPlan } from './reindex-load.ts';
import { Random } from './random.ts';
import { drawAsk, drawSearch, syncCall, SyncLoad, type SyncCall } from './sync-load.ts';
import { watchRecovery, type Recovery } from './watch-recovery.ts';
import { within } from './within.ts';

const PROBES = 4;
const PROBE_TIMEOUT_MS = 12_000;
/** A minute until the sweep finds an upload that was never queued, a lock's life and the look for stalled tasks, and some. */
const RECOVERS_WITHIN_MS = 120_000;
/** Five starts of a supervisor, a minute for each. */
const FAULTS_WITHIN_MS = 420_000;
/** Several times the patience of any call in it. */
const STEP_WITHIN_MS = 180_000;

export interface RunResult {
  readonly seed: number;
  readonly observation: Observation;
  readonly violations: readonly Violation[];
  readonly recovery: Recovery;
  readonly tookMs: number;
}

/**
 * One run on a stack that is well, which it leaves well: load, faults, recovery, and a look at everything. It always ends.
 *
 * @throws Error of what did not end in its time
 */
export async function chaosRun(
  stack: ChaosStack,
  oracle: Oracle,
  { seed, size }: { readonly seed: number; readonly size: RunSize },
): Promise<RunResult> {
  const startedAt = performance.now();
  const random = new Random(seed).fork();
  const url = (): string => stack.url;
  const faults = drawFaults(seed, size);
  const documents = new DocumentLoad(url, random.fork(), { corpus: `run-${seed}`, mostDocuments: size.documents, mostWrites: size.writes });
  const batchPlans = drawBatches(random.fork(), seed, size);
  const reindexPlan = drawReindex(random.fork(), documents.corpus, size);
  await within('the making of the corpus', STEP_WITHIN_MS, documents.prepare());
  const redis = await stack.observer();
  const calls = new SyncLoad(url, random.fork());
  const batches = batchPlans.map((plan) => new BatchRun(url, plan));
  const reindex = reindexPlan === undefined ? undefined : new ReindexRun(url, reindexPlan);
  const abandon = (): void => {
    for (const batch of batches) batch.abandon();
    reindex?.abandon();
  };
  try {
    documents.start();
    await within('the faults', FAULTS_WITHIN_MS, inflictAll(stack, faults));
    await sleep(Math.max(0, size.windowMs / 4));
    const callsDone = calls.stop();
    await within('a write of documents', STEP_WITHIN_MS, documents.stop());
    const done = new Set<BatchRun>();
    for (const batch of batches) void batch.done.then(() => done.add(batch));
    const recovery = await watchRecovery(stack, redis, {
      batchesDone: () => done.size === batches.length,
      reindexDone: () => isReindexed(reindex),
      withinMs: RECOVERS_WITHIN_MS,
    });
    abandon();
    await within(
      'a call, or a batch that was abandoned,',
      STEP_WITHIN_MS,
      Promise.all([callsDone, reindex?.begun, ...batches.map((batch) => batch.done)]),
    );
    const finished = { stack, oracle, documents, batches, reindex, calls: calls.calls, recovery, faults, redis, random };
    const observation = await observe(finished).catch((error: unknown) => {
      throw new Error([String(error), ...recovery.notRecovered].join('; '), { cause: error });
    });
    return {
      seed,
      observation,
      violations: findViolations(observation),
      recovery,
      tookMs: performance.now() - startedAt,
    };
  } finally {
    // Nothing goes on behind a run that broke off.
    void calls.stop();
    void documents.stop();
    abandon();
    redis.disconnect();
  }
}

async function inflictAll(stack: ChaosStack, faults: Observation['faults']): Promise<void> {
  await Promise.all(faults.map((fault) => sleep(fault.atMs).then(() => inflict(stack, fault))));
  await stack.settled();
}

function drawReindex(random: Random, corpus: string, { reindexShare, windowMs, documents }: RunSize): ReindexPlan | undefined {
  const isWanted = random.chance(reindexShare);
  const plan = { corpus, atMs: random.whole(0, Math.floor(windowMs / 2)), documentsPerS: random.whole(8 + documents, 8 * (8 + documents)) };
  return isWanted ? plan : undefined;
}

async function isReindexed(reindex: ReindexRun | undefined): Promise<boolean> {
  if (reindex === undefined || reindex.fault !== undefined) return true;
  const all = await reindex.lookAtAll();
  return reindex.id !== undefined && all.every(({ status }) => !['building', 'validating', 'ready'].includes(status));
}

interface Finished {
  readonly stack: ChaosStack;
  readonly oracle: Oracle;
  readonly documents: DocumentLoad;
  readonly batches: readonly BatchRun[];
  readonly reindex: ReindexRun | undefined;
  readonly calls: readonly SyncCall[];
  readonly recovery: Recovery;
  readonly faults: Observation['faults'];
  readonly redis: Awaited<ReturnType<ChaosStack['observer']>>;
  readonly random: Random;
}

async function observe({
  stack,
  oracle,
  documents,
  batches,
  reindex,
  calls,
  recovery,
  faults,
  redis,
  random,
}: Finished): Promise<Observation> {
  const client = new RerankClient({ baseUrl: stack.url, timeoutMs: 30_000 });
  const look = <T>(what: string, seen: Promise<T>): Promise<T> => within(`the look at ${what}`, STEP_WITHIN_MS, seen);
  const probes = await look('calls', probe(stack.url, random));
  const jobs = await look('jobs', Promise.all(batches.map((batch) => collectJob(client, batch))));
  const seenDocuments = await look('documents', collectDocuments(client, documents));
  const reindexed = reindex === undefined ? undefined : await look('a reindex', collectReindex(client, documents.corpus, reindex));
  const known = new Set(jobs.flatMap(({ ids }) => ids));
  const strangeJobs = await look('jobs as they are deleted', clearAway(client, [documents.corpus], known));
  return {
    faults,
    oracle,
    calls,
    probes,
    jobs,
    strangeJobs,
    documents: seenDocuments,
    reindex: reindexed,
    notRecovered: recovery.notRecovered,
    stuck: recovery.stuck,
    deadLetters: recovery.deadLetters,
    keys: await look('keys', collectKeys(redis)),
    strangers: await look('processes', collectStrangers(stack)),
    files: await look('files', collectFiles(stack)),
    collections: collectCollections(stack, [STABLE_CORPUS]),
    integrity: checkDatabase(stack),
  };
}

/** Calls at once, one of them a search. */
async function probe(url: string, random: Random): Promise<readonly SyncCall[]> {
  const lag = new LagWatch(() => url);
  const asks = [drawSearch(random), ...Array.from({ length: PROBES - 1 }, (): Ask => drawAsk(random, 12))];
  const calls = await Promise.all(asks.map((ask) => syncCall(url, ask, { timeoutMs: PROBE_TIMEOUT_MS, lag })));
  await lag.stop();
  return calls;
}
