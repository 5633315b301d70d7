import type { CorpusRef, CorpusVersion, SparseVector } from '@rerank-fleet/core/domain';
import type { Logger } from '@rerank-fleet/core/observability';
import type { CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';
import type { IndexingParts } from '../ingest/index-documents.js';

/** What a worker needs to work on reindexes. */
export interface ReindexParts extends IndexingParts {
  readonly documents: DocumentStore;
  readonly candidates: CandidateStore;
  /** Encodes a query with the constants of the version. */
  readonly encodeSparseQuery: (query: string, version: CorpusVersion) => SparseVector;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  /** Before the attempt that follows so many failed ones. */
  readonly pauseMs: (failures: number, error: unknown) => number;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly meter: ReindexMeter;
  readonly limits: ReindexLimits;
}

/** Told of the work as it is stored. */
export interface ReindexMeter {
  documents(outcome: 'created' | 'updated' | 'failed', count: number): void;
  throttled(ms: number): void;
  inHand(reindexes: number): void;
}

export interface ReindexLimits {
  /** A process that was not heard of for this long has died. */
  readonly leaseMs: number;
  /** How often the record is looked at for a cancel or another rate. */
  readonly beatMs: number;
  /** How often progress is stored, at least. */
  readonly saveMs: number;
  /** How often reindexes that nobody works on, and versions that are to go, are looked for. */
  readonly lookMs: number;
  /** A reindex that nobody takes for so long says why. */
  readonly unattendedMs: number;
  /** A retired version stays at least so long: the longest that a request may take which pinned it. */
  readonly leastKeepMs: number;
  /** A retired version whose embedder no worker has held for so long is given up. */
  readonly unheldMs: number;
  readonly pageDocuments: number;
  /** Characters of a page, about. */
  readonly pageCharacters: number;
  readonly pagesInFlight: number;
}

/** The longest that SYNC_TIMEOUT_MS of any API may be, and a minute for clocks and queues. */
const LONGEST_REQUEST_MS = 660_000;

export const REINDEX_LIMITS: ReindexLimits = {
  leaseMs: 10_000,
  beatMs: 1_000,
  saveMs: 2_000,
  lookMs: 5_000,
  unattendedMs: 30_000,
  leastKeepMs: LONGEST_REQUEST_MS,
  unheldMs: 60_000,
  pageDocuments: 128,
  // Some seconds of two cores, so that little is done again after a kill.
  pageCharacters: 262_144,
  pagesInFlight: 4,
};

export function nameOf({ tenant, corpus }: CorpusRef): string {
  return `${tenant}/${corpus}`;
}
