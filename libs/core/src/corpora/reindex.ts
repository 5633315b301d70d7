import {
  isOpen,
  type CorpusRecord,
  type CorpusSettings,
  type CorpusVersion,
  type ReindexChecks,
  type ReindexRecord,
} from '../domain/index.js';
import { RerankError, invariant } from '../errors/index.js';
import { promotedVersion } from './promoted-version.js';

/** Ended reindexes that a corpus remembers. */
const REMEMBERED = 10;

/** What decides what is in an index. */
export type IndexSettings = Pick<CorpusSettings, 'chunking' | 'bm25' | 'index'> & Pick<CorpusVersion, 'embedder'>;

export interface ReindexPlan extends Pick<ReindexRecord, 'id' | 'promote' | 'keepPreviousMs'> {
  readonly settings: IndexSettings;
  readonly requestsPerSecond?: number;
  readonly checks: ReindexChecks;
  /** Live documents. */
  readonly total: number;
}

/*
 * Each function below takes the record as it is and gives the record as it is to be, one revision later. The caller writes it with
 * `DocumentStore.updateCorpus`, which refuses it if somebody else was faster; then it starts again from what is stored.
 */

/**
 * Adds the new version, which takes all writes from then on.
 *
 * @throws RerankError `reindex_in_progress`
 */
export function startReindex(record: CorpusRecord, plan: ReindexPlan, now: number): CorpusRecord {
  // A start that is delivered twice, even after the reindex has ended.
  if (record.reindexes?.some(({ id }) => id === plan.id) === true) return record;
  const open = openReindex(record);
  if (open !== undefined)
    throw new RerankError('reindex_in_progress', `The reindex ${open.id} of this corpus is ${open.status}; wait for it, or cancel it.`);
  const number = Math.max(record.lastVersion ?? 0, ...record.versions.map(({ version }) => version)) + 1;
  const { settings, ...asked } = plan;
  const version: CorpusVersion = {
    tenant: record.tenant,
    corpus: record.corpus,
    corpusId: record.corpusId,
    version: number,
    embedder: settings.embedder,
    chunking: settings.chunking,
    bm25: settings.bm25,
    fields: record.settings.fields,
    ...(settings.index === undefined ? {} : { index: settings.index }),
    createdAt: now,
  };
  const reindex: ReindexRecord = {
    ...asked,
    fromVersion: record.promotedVersion,
    toVersion: number,
    status: 'building',
    created: 0,
    updated: 0,
    failed: 0,
    failures: [],
    throttledMs: 0,
    startedAt: now,
    workedMs: 0,
  };
  return next(record, {
    versions: [...record.versions, version],
    lastVersion: number,
    reindexes: [reindex, ...(record.reindexes ?? [])].slice(0, REMEMBERED + 1),
  });
}

/** The one that has not ended. */
export function openReindex({ reindexes = [] }: CorpusRecord): ReindexRecord | undefined {
  return reindexes.find(isOpen);
}

/** @throws RerankError `job_not_found` */
export function requireReindex({ reindexes = [] }: CorpusRecord, id: string): ReindexRecord {
  const found = reindexes.find((reindex) => reindex.id === id);
  if (found === undefined) throw new RerankError('job_not_found', `There is no reindex ${id} of this corpus.`);
  return found;
}

/** Changes what a reindex tells of itself; the versions stay as they are. */
export function changeReindex(record: CorpusRecord, id: string, change: (reindex: ReindexRecord) => ReindexRecord): CorpusRecord {
  requireReindex(record, id);
  return next(record, { reindexes: (record.reindexes ?? []).map((reindex) => (reindex.id === id ? change(reindex) : reindex)) });
}

/** Another limit; undefined takes it away. */
export function rethrottleReindex(record: CorpusRecord, id: string, requestsPerSecond: number | undefined): CorpusRecord {
  mustBeOpen(requireReindex(record, id));
  return changeReindex(record, id, ({ requestsPerSecond: _, ...reindex }) => ({
    ...reindex,
    ...(requestsPerSecond === undefined ? {} : { requestsPerSecond }),
  }));
}

/** Ends it without a promotion; the new version is dropped. Of a reindex that has ended this changes nothing. */
export function abandonReindex(
  record: CorpusRecord,
  id: string,
  { now, error }: { readonly now: number; readonly error?: { readonly code: string; readonly detail: string } },
): CorpusRecord {
  const reindex = requireReindex(record, id);
  if (!isOpen(reindex)) return record;
  const ended = changeReindex(record, id, (rest) => ({
    ...atRest(rest),
    status: error === undefined ? 'cancelled' : 'failed',
    endedAt: now,
    ...(error === undefined ? {} : { error }),
  }));
  return { ...dropVersions(ended, [reindex.toVersion]), revision: ended.revision };
}

/**
 * Requests that come after it pin the new version. The version before is retired and still takes writes.
 *
 * @throws RerankError `reindex_in_progress` before it is ready, `invalid_request` if it has ended otherwise
 */
export function promoteReindex(record: CorpusRecord, id: string, now: number): CorpusRecord {
  const reindex = requireReindex(record, id);
  if (reindex.status === 'completed') return record;
  mustBeOpen(reindex);
  if (reindex.status !== 'ready')
    throw new RerankError(
      'reindex_in_progress',
      `The reindex ${id} is still ${reindex.status} version ${reindex.toVersion}; promote it when it is ready.`,
    );
  return completeReindex(record, reindex, now);
}

/** What `promoteReindex` does, whatever the reindex has come to. */
export function completeReindex(record: CorpusRecord, { id, toVersion }: ReindexRecord, now: number): CorpusRecord {
  const ended = changeReindex(record, id, (rest) => ({ ...atRest(rest), status: 'completed', endedAt: now }));
  return promoteVersion(ended, toVersion, now);
}

/** Nobody works on it, and what only the work needed is forgotten: a record is read with every request, and judged queries are long. */
export function atRest({ lease: _, checkpoint: __, waiting: ___, care: ____, ...reindex }: ReindexRecord): ReindexRecord {
  const { judged: _____, ...checks } = reindex.checks;
  return { ...reindex, checks };
}

/**
 * The version before is promoted again, as long as it is kept.
 *
 * @throws RerankError `reindex_in_progress` while another is open, `invalid_request` if there is nothing to go back to
 */
export function rollbackReindex(record: CorpusRecord, id: string, now: number): CorpusRecord {
  const reindex = requireReindex(record, id);
  if (reindex.status === 'rolled_back') return record;
  const open = openReindex(record);
  if (open !== undefined && open.id !== id)
    throw new RerankError('reindex_in_progress', `The reindex ${open.id} is ${open.status}; cancel it before the rollback.`);
  if (reindex.status !== 'completed' || record.promotedVersion !== reindex.toVersion)
    throw new RerankError(
      'invalid_request',
      `The reindex ${id} is ${reindex.status}; only the one whose version is promoted can be rolled back.`,
    );
  if (!record.versions.some(({ version }) => version === reindex.fromVersion))
    throw new RerankError('invalid_request', `Version ${reindex.fromVersion} is no longer kept; reindex with its settings instead.`);
  const ended = changeReindex(record, id, (rest) => ({ ...rest, status: 'rolled_back' }));
  return promoteVersion(ended, reindex.fromVersion, now);
}

/**
 * Retired versions whose time is over.
 *
 * @param leastKeepMs as long as a request may take that pinned the version just before it was retired
 */
export function collectableVersions(record: CorpusRecord, now: number, leastKeepMs: number): readonly CorpusVersion[] {
  return record.versions.filter(({ version, retiredAt }) => {
    if (retiredAt === undefined || version === record.promotedVersion) return false;
    return retiredAt + Math.max(keptFor(record, version), leastKeepMs) <= now;
  });
}

/** They take neither requests nor writes any more. The caller drops their indexes, and then calls `forgetDropped`. */
export function dropVersions(record: CorpusRecord, numbers: readonly number[]): CorpusRecord {
  invariant(!numbers.includes(record.promotedVersion), 'The promoted version cannot be dropped.');
  const [kept, dropped] = [
    record.versions.filter(({ version }) => !numbers.includes(version)),
    record.versions.filter(({ version }) => numbers.includes(version)),
  ];
  return next(record, { versions: kept, dropping: [...(record.dropping ?? []), ...dropped] });
}

export function forgetDropped(record: CorpusRecord, numbers: readonly number[]): CorpusRecord {
  return next(record, { dropping: (record.dropping ?? []).filter(({ version }) => !numbers.includes(version)) });
}

/** The kept time is that of the last reindex that took the version out of service, whichever way. */
function keptFor({ reindexes = [] }: CorpusRecord, number: number): number {
  return reindexes.find(({ fromVersion, toVersion }) => fromVersion === number || toVersion === number)?.keepPreviousMs ?? 0;
}

function promoteVersion(record: CorpusRecord, number: number, now: number): CorpusRecord {
  if (record.promotedVersion === number) return record;
  const versions = record.versions.map(({ retiredAt, ...version }): CorpusVersion => {
    if (version.version === number) return version;
    if (version.version === record.promotedVersion) return { ...version, retiredAt: now };
    return retiredAt === undefined ? version : { ...version, retiredAt };
  });
  const promoted = { ...record, versions, promotedVersion: number };
  const { embedder, chunking, bm25, index } = promotedVersion(promoted);
  const { index: _, ...others } = record.settings;
  return {
    ...promoted,
    settings: { ...others, embeddingModel: embedder.name, chunking, bm25, ...(index === undefined ? {} : { index }) },
  };
}

function mustBeOpen(reindex: ReindexRecord): void {
  if (!isOpen(reindex)) throw new RerankError('invalid_request', `The reindex ${reindex.id} has ended (${reindex.status}).`);
}

function next(record: CorpusRecord, change: Partial<CorpusRecord>): CorpusRecord {
  return { ...record, ...change, revision: record.revision + 1 };
}
