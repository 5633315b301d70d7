import { setTimeout as sleep } from 'node:timers/promises';
import { withFailures } from '@rerank-fleet/core/corpora';
import type { ReindexFailure, StoredDocument } from '@rerank-fleet/core/domain';
import { dueOf, indexPage } from './index-page.js';
import { PageReader } from './page-reader.js';
import { patiently } from './patiently.js';
import type { ReindexParts } from './reindex-parts.js';
import type { ReindexSession } from './reindex-session.js';

export interface Verification {
  /** Live documents that were looked for. */
  readonly documents: number;
  readonly repaired: number;
  readonly failed: number;
  /** The first of those that failed. */
  readonly failures: readonly ReindexFailure[];
  /** Of those that failed, the ones that the version before has. */
  readonly lost: number;
}

/** A live write that has reached the record gets this long to reach the index before it counts as missing. */
const IN_FLIGHT_MS = 300;

/**
 * Looks for every live document of the record in the new version, and writes those again that are missing or old. What a process before this one wrote beside a live
 * write or deletion, and did not come to clear up, goes.
 *
 * @param onDocuments told of each page, in the order of the scan
 * @throws the signal's reason
 */
export async function verifyVersion(
  parts: ReindexParts,
  session: ReindexSession,
  onDocuments: (documents: readonly StoredDocument[]) => void = () => undefined,
): Promise<Verification> {
  const reader = new PageReader(parts, session);
  if (session.isTakenOver) await patiently(parts, session, () => parts.candidates.removeLeftoversOfDeleted(session.to));
  let found: Verification = { documents: 0, repaired: 0, failed: 0, failures: [], lost: 0 };
  for (let after: string | undefined, more = true; more;) {
    const page = await reader.read(after);
    onDocuments(page.documents);
    if (session.isTakenOver) await clearUp(parts, session, page.documents);
    const { repaired, failures, lost } = await repairPage(parts, session, page.documents);
    found = {
      ...withFailures(found, failures),
      documents: found.documents + page.documents.length,
      repaired: found.repaired + repaired,
      lost: found.lost + lost,
    };
    after = page.next;
    more = after !== undefined;
  }
  return found;
}

/** A document that is there as it is to be may have passages of an earlier text beside it. */
async function clearUp(parts: ReindexParts, session: ReindexSession, documents: readonly StoredDocument[]): Promise<void> {
  const ids = documents.map(({ id }) => id);
  if (ids.length > 0) await patiently(parts, session, () => parts.candidates.removeLeftovers(session.to, ids));
}

async function repairPage(
  parts: ReindexParts,
  session: ReindexSession,
  documents: readonly StoredDocument[],
): Promise<Pick<Verification, 'repaired' | 'failures' | 'lost'>> {
  const lookFor = (wanted: readonly StoredDocument[]): Promise<readonly StoredDocument[]> =>
    patiently(parts, session, () => dueOf(parts, session.to, wanted));
  const behind = await lookFor(documents);
  if (behind.length === 0) return { repaired: 0, failures: [], lost: 0 };
  await sleep(IN_FLIGHT_MS, undefined, { signal: session.signal });
  const missing = await lookFor(behind);
  await session.throttle.pass(missing.length, session.signal);
  const failures = await indexPage(parts, session, missing);
  const before = await patiently(parts, session, () =>
    parts.candidates.documentSeqs(
      session.from,
      failures.map(({ documentId }) => documentId),
    ),
  );
  return { repaired: missing.length - failures.length, failures, lost: before.size };
}
