import { setTimeout as sleep } from 'node:timers/promises';
import type { JudgedQuery, ReindexChecks, ReindexValidation } from '@rerank-fleet/core/domain';
import { compareVersions, type Comparison } from './compare-versions.js';
import { patiently } from './patiently.js';
import type { ReindexParts } from './reindex-parts.js';
import type { ReindexSession } from './reindex-session.js';
import { QuerySample } from './sample-queries.js';
import { verifyVersion, type Verification } from './verify-version.js';

/** Counts that do not agree are taken again, as live writes are on their way. */
const COUNTS = 4;
const BETWEEN_COUNTS_MS = 500;
/** Share of the documents that may be lost to texts that the new embedder cannot take. */
const MOST_LOST = 0.01;

interface Counted {
  readonly expected: number;
  readonly found: number;
  /** The record held still, so a document that is not there will not come. */
  readonly still: boolean;
}

/**
 * What the new version is like: every document is looked for and mended, counts are compared, and queries are asked of both versions.
 *
 * @throws the signal's reason
 */
export async function validateVersion(parts: ReindexParts, session: ReindexSession): Promise<ReindexValidation> {
  const { checks } = session.reindex;
  const total = await liveDocuments(parts, session);
  const sample = new QuerySample(checks.judged === undefined ? checks.sample : 0, total);
  let before = total;
  let verification = await verifyVersion(parts, session, (documents) => sample.add(documents));
  let repaired = verification.repaired;
  let counted = await count(parts, session, before, verification);
  for (let attempt = 1; attempt < COUNTS && counted.found < counted.expected; attempt += 1) {
    await sleep(BETWEEN_COUNTS_MS, undefined, { signal: session.signal });
    before = await liveDocuments(parts, session);
    verification = await verifyVersion(parts, session);
    repaired += verification.repaired;
    counted = await count(parts, session, before, verification);
  }
  tellFailures(session, verification);
  const queries = checks.judged ?? sample.queries.map((query): JudgedQuery => ({ query, relevant: {} }));
  const comparison = await compareVersions(parts, session, queries);
  return {
    documents: { expected: counted.expected, found: counted.found },
    repaired,
    ...comparison,
    failures: [...faultsOfDocuments(counted, verification), ...(queries.length === 0 ? [] : faultsOfQueries(checks, comparison))],
  };
}

async function liveDocuments(parts: ReindexParts, session: ReindexSession): Promise<number> {
  return await patiently(parts, session, () => parts.documents.countDocuments(session.ref));
}

async function count(parts: ReindexParts, session: ReindexSession, before: number, { failed }: Verification): Promise<Counted> {
  const after = await liveDocuments(parts, session);
  const found = await patiently(parts, session, () => parts.candidates.countDocuments(session.to));
  return { expected: after - failed, found, still: before === after };
}

/** Documents that failed while the version was built may have been replaced or deleted since: the last look counts. */
function tellFailures(session: ReindexSession, { failed, failures }: Verification): void {
  const { progress } = session;
  session.progress = { ...progress, failed, failures, created: progress.created + Math.max(0, progress.failed - failed) };
}

function faultsOfDocuments({ expected, found, still }: Counted, { documents, lost }: Verification): string[] {
  const faults: string[] = [];
  // While documents come and go, the search for each of them by its sequence number has judged.
  if (still && found < expected) faults.push(`${expected - found} of ${expected} documents are not in the index`);
  if (lost > MOST_LOST * documents)
    faults.push(`${lost} documents that the version before has cannot be indexed, more than ${100 * MOST_LOST} % of ${documents}`);
  return faults;
}

function faultsOfQueries({ minOverlap, minNdcgRatio }: ReindexChecks, { overlap, ndcg }: Comparison): string[] {
  const faults: string[] = [];
  if (minOverlap !== undefined) {
    if (overlap === undefined) faults.push('the overlap was asked for and could not be measured');
    else if (overlap < minOverlap) faults.push(`both versions find ${overlap.toFixed(3)} of the same documents, less than ${minOverlap}`);
  }
  if (minNdcgRatio !== undefined) {
    if (ndcg === undefined) faults.push('nDCG was asked for and could not be measured');
    else if (ndcg.after < minNdcgRatio * ndcg.before)
      faults.push(`nDCG@10 is ${ndcg.after.toFixed(4)} after ${ndcg.before.toFixed(4)}, less than ${minNdcgRatio} times that`);
  }
  return faults;
}
