import { setTimeout as sleep } from 'node:timers/promises';
import type { RerankClient } from '@rerank-fleet/client';
import { ENDED_STATUSES, type DocumentBody, type IngestJobBody } from '@rerank-fleet/core/contracts';

/** How often a job is looked at, in its first second and after: each look takes some milliseconds of the machine, and a turn is measured no more exactly. */
const FIRST_POLL_MS = 20;
const POLL_MS = 250;

export interface Upload {
  readonly ms: number;
  readonly unchanged: number;
}

/** Milliseconds from the start of an upload over REST until all of it can be searched. Throws if a document was not stored. */
export async function uploadDocuments(
  client: RerankClient,
  corpus: string,
  documents: readonly DocumentBody[],
  pollMs = POLL_MS,
): Promise<Upload> {
  const started = performance.now();
  let job = await client.ingest(corpus, documents);
  while (!ENDED_STATUSES.has(job.status)) {
    await sleep(performance.now() - started < 1_000 ? FIRST_POLL_MS : pollMs);
    job = (await client.getJob(job.id)) as IngestJobBody;
  }
  const ms = performance.now() - started;
  const { total, succeeded } = job.request_counts;
  if (succeeded === total && total === documents.length) return { ms, unchanged: job.unchanged ?? 0 };
  throw new Error(`${total - succeeded} of ${documents.length} documents were not stored: ${JSON.stringify(job.errors.slice(0, 3))}`);
}
