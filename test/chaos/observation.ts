import type { BatchJobBody, ReindexBody } from '@rerank-fleet/core/contracts';
import type { JobResultLine } from '@rerank-fleet/client';
import type { BatchPlan } from './batch-load.ts';
import type { Fault } from './fault-schedule.ts';
import type { Oracle } from './oracle.ts';
import type { SyncCall } from './sync-load.ts';

export interface JobObservation {
  readonly plan: BatchPlan;
  readonly ids: readonly string[];
  readonly cancelled: boolean;
  readonly fault?: string | undefined;
  /** Of the last look; undefined where it was never accepted. */
  readonly body?: BatchJobBody | undefined;
  /** Lines as read in one go after the end. */
  readonly lines: readonly JobResultLine[];
  /** Lines as they came while the job ran. */
  readonly followed: readonly JobResultLine[];
}

export interface DocumentsObservation {
  readonly allowed: ReadonlyMap<string, ReadonlySet<string | null>>;
  /** Document id → text, as listed. */
  readonly stored: ReadonlyMap<string, string>;
  /** Ids that a search finds, by the way of search. */
  readonly found: Readonly<Record<'sparse' | 'dense', readonly string[]>>;
  readonly faults: readonly string[];
  readonly unclear: number;
}

export interface ReindexObservation {
  /** Undefined where it never began. */
  readonly body?: ReindexBody | undefined;
  /** Of the same corpus, which came to their end. */
  readonly others: readonly ReindexBody[];
  /** Starts that were not heard of: each may have begun one of them. */
  readonly unheard: number;
  readonly fault?: string | undefined;
  /** Of the corpus, at the end. */
  readonly promotedVersion: number;
}

export interface RedisKey {
  readonly name: string;
  /** Milliseconds that are left to it; undefined: it stays. */
  readonly ttlMs?: number | undefined;
  /** Entries of a collection; 1 of a string. */
  readonly size: number;
}

/** Everything that is judged of a run, as it was found when the faults were over and the stack had had its time. */
export interface Observation {
  readonly faults: readonly Fault[];
  readonly oracle: Oracle;
  readonly calls: readonly SyncCall[];
  /** Calls after the recovery. */
  readonly probes: readonly SyncCall[];
  readonly jobs: readonly JobObservation[];
  /** Jobs of the service that nobody submitted. */
  readonly strangeJobs: readonly string[];
  readonly documents: DocumentsObservation;
  /** Undefined where the run had none. */
  readonly reindex?: ReindexObservation | undefined;
  /** What had not come back when the time for it was over. */
  readonly notRecovered: readonly string[];
  /** Tasks that were in hand for longer than a lock lives and is looked for. */
  readonly stuck: readonly string[];
  readonly deadLetters: readonly string[];
  readonly keys: readonly RedisKey[];
  /** Processes of the stack that nobody runs, and those that outlived their supervisor. */
  readonly strangers: readonly string[];
  /** Files that are left when all jobs have been deleted and all that crashes leave has been cleared away. */
  readonly files: readonly string[];
  /** Of Qdrant, that belong to no corpus of the stack. Empty on the embedded store. */
  readonly collections: readonly string[];
  /** What SQLite says of the embedded database; `ok` where there is none. */
  readonly integrity: string;
}
