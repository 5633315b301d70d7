/**
 * - `building`: documents are written to the new version, page by page.
 * - `validating`: every document is looked for in the new version, and sampled queries are asked of both.
 * - `ready`: it waits to be promoted by hand.
 * - `completed`, `failed`, `cancelled`: ended. `rolled_back`: it was promoted, and the version before is promoted again.
 */
export type ReindexStatus = 'building' | 'validating' | 'ready' | 'completed' | 'failed' | 'cancelled' | 'rolled_back';

/** The process that works on it. The lease ends at `until`; who takes it over counts `fence` up, and the one before can store nothing more. */
export interface ReindexLease {
  readonly owner: string;
  readonly fence: number;
  /** Epoch milliseconds of Redis TIME. */
  readonly until: number;
}

/** A query with the documents that answer it, graded; ids without a grade count 0. */
export interface JudgedQuery {
  readonly query: string;
  readonly relevant: Readonly<Record<string, number>>;
}

/** What a new version must show before it is promoted. */
export interface ReindexChecks {
  /** Queries sampled from the corpus' own documents, where none are given. */
  readonly sample: number;
  /** Least mean share of the first ten documents that both versions find. Another model may well find others, so there is none unless it is asked for. */
  readonly minOverlap?: number;
  /** Forgotten when the reindex has been validated. */
  readonly judged?: readonly JudgedQuery[];
  /** Least nDCG@10 of the new version ÷ that of the old one, over the judged queries. */
  readonly minNdcgRatio?: number;
}

export interface ReindexValidation {
  /** Live documents of the record, and of the new version. */
  readonly documents: { readonly expected: number; readonly found: number };
  /** Documents that were not in the new version as they should be, and were written again. */
  readonly repaired: number;
  readonly queries: number;
  /** Mean share of the first ten documents that both versions find; absent without queries. */
  readonly overlap?: number;
  /** nDCG@10 over the judged queries. */
  readonly ndcg?: { readonly before: number; readonly after: number };
  /** What was asked for and is not so; empty if it may be promoted. */
  readonly failures: readonly string[];
}

export interface ReindexFailure {
  readonly documentId: string;
  readonly code: string;
  readonly detail: string;
}

/** How a document is found that workers die under: after some deaths at one place documents go one by one, and the one that was alone at several deaths is left out. */
export interface ReindexCare {
  /** Processes that died since the checkpoint moved. */
  readonly deaths: number;
  /** The document that is indexed with no other beside it. */
  readonly alone?: string;
  /** The last one that was alone when a process died, and how many did. */
  readonly suspect?: { readonly documentId: string; readonly deaths: number };
  /** Documents that are left out. */
  readonly convicted: readonly string[];
}

/** One building of a new version of a corpus. It is part of the corpus' record, so that each change of it is atomic with the versions' own. */
export interface ReindexRecord {
  readonly id: string;
  readonly fromVersion: number;
  readonly toVersion: number;
  readonly status: ReindexStatus;
  readonly promote: 'auto' | 'manual';
  /** Documents a second; absent: as fast as the embedder goes. */
  readonly requestsPerSecond?: number;
  readonly checks: ReindexChecks;
  /** How long the version before is kept after the promotion, in milliseconds. */
  readonly keepPreviousMs: number;
  /** Live documents when it began or was last counted. */
  readonly total: number;
  /** Documents written to the new version, and those that a live write had brought there before. */
  readonly created: number;
  readonly updated: number;
  /** Documents that cannot be indexed; the first hundred are told. */
  readonly failed: number;
  readonly failures: readonly ReindexFailure[];
  readonly throttledMs: number;
  /** Where the scan of documents goes on; absent before the first page. */
  readonly checkpoint?: string;
  readonly lease?: ReindexLease;
  readonly care?: ReindexCare;
  /** Why it does not go on at present: no worker holds the embedder, or a store is away. */
  readonly waiting?: { readonly code: string; readonly detail: string };
  readonly validation?: ReindexValidation;
  /** Why it failed. */
  readonly error?: { readonly code: string; readonly detail: string };
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Time spent building by all owners so far, in milliseconds; the ETA follows from it. */
  readonly workedMs: number;
  readonly endedAt?: number;
}

const OPEN: ReadonlySet<ReindexStatus> = new Set(['building', 'validating', 'ready']);

/** Whether it still holds the corpus: at most one a corpus does. */
export function isOpen({ status }: ReindexRecord): boolean {
  return OPEN.has(status);
}
