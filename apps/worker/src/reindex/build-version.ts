import { withFailures, type ReindexProgress } from '@rerank-fleet/core/corpora';
import type { ReindexFailure } from '@rerank-fleet/core/domain';
import type { DocumentPage } from '@rerank-fleet/core/ports';
import { inNewWork } from '@rerank-fleet/core/observability';
import { dueOf, indexPage, isCareful } from './index-page.js';
import { charactersOf, PageReader } from './page-reader.js';
import { patiently } from './patiently.js';
import type { ReindexParts } from './reindex-parts.js';
import type { ReindexSession } from './reindex-session.js';

/** A page on its way into the new version. */
interface Flight {
  readonly page: DocumentPage;
  readonly due: number;
  readonly characters: number;
  /** Absent until its documents are durably in the new version. */
  failures?: readonly ReindexFailure[];
}

/**
 * Brings every document of the record to the new version, from the checkpoint on. Some pages are in flight, so that the embedder has full batches; the
 * checkpoint stands behind the last page before which none is missing. The last page of all has no place behind it: its counts are in what this resolves to, to be
 * stored with the new status.
 *
 * @throws the signal's reason
 */
export async function buildVersion(parts: ReindexParts, session: ReindexSession): Promise<ReindexProgress> {
  const reader = new PageReader(parts, session);
  const flights: Flight[] = [];
  const landings = new Set<Promise<void>>();
  let carefulPages = isCareful(session) ? parts.limits.pagesInFlight : 0;
  const launch = async (page: DocumentPage): Promise<void> => {
    const due = await patiently(parts, session, () => dueOf(parts, session.to, page.documents));
    await session.throttle.pass(due.length, session.signal);
    const flight: Flight = { page, due: due.length, characters: charactersOf(due) };
    flights.push(flight);
    const { tenant, corpus } = session.to;
    const attributes = { 'rerank.tenant': tenant, 'rerank.corpus': corpus, 'rerank.documents': due.length };
    const work = inNewWork('reindex page', { corpus }, { attributes }, () => indexPage(parts, session, due));
    const landing = work.then((failures) => {
      flight.failures = failures;
      if (land(session, flights) && carefulPages === 0) calm(session);
      void session.look();
    });
    const settled = landing.finally(() => landings.delete(settled));
    settled.catch(() => undefined);
    landings.add(settled);
  };
  try {
    for (let after = session.progress.checkpoint; ;) {
      const page = await reader.read(after);
      await launch(page);
      after = page.next;
      if (after === undefined) break;
      while (isFull(parts, flights, carefulPages > 0)) await Promise.race(landings);
      if (carefulPages > 0 && (carefulPages -= 1) === 0) calm(session);
    }
    await Promise.all(landings);
    return flights.reduce(progressAfter, session.progress);
  } finally {
    // Whoever comes after must not meet writes of this one.
    await Promise.allSettled(landings);
  }
}

/** Counts pages that have landed, in their order. Returns whether the checkpoint moved. */
function land(session: ReindexSession, flights: Flight[]): boolean {
  const before = session.progress.checkpoint;
  for (let [first] = flights; first?.failures !== undefined && first.page.next !== undefined; [first] = flights) {
    flights.shift();
    session.progress = { ...progressAfter(session.progress, first), checkpoint: first.page.next };
  }
  return session.progress.checkpoint !== before;
}

function progressAfter(progress: ReindexProgress, { page, due, failures = [] }: Flight): ReindexProgress {
  return {
    ...withFailures(progress, failures),
    created: progress.created + due - failures.length,
    updated: progress.updated + page.documents.length - due,
  };
}

function isFull({ limits }: ReindexParts, flights: readonly Flight[], careful: boolean): boolean {
  if (careful) return flights.length > 0;
  const characters = flights.reduce((sum, flight) => sum + flight.characters, 0);
  return flights.length >= limits.pagesInFlight || characters >= limits.pagesInFlight * limits.pageCharacters;
}

/** The pages that may have been in flight when workers died have passed. */
function calm(session: ReindexSession): void {
  const { care } = session.progress;
  if (care !== undefined) session.progress = { ...session.progress, care: { deaths: 0, convicted: care.convicted } };
}
