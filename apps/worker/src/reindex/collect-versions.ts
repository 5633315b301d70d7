import { collectableVersions, dropVersions, forgetDropped } from '@rerank-fleet/core/corpora';
import type { CorpusRef, CorpusVersion } from '@rerank-fleet/core/domain';
import { changeRecord } from './change-record.js';
import type { ReindexParts } from './reindex-parts.js';

/**
 * Drops the indexes of versions that nobody needs any more: first the record says that they go, so that no write and no request comes to them, and last
 * that they are gone. A process that dies in between leaves what the next one ends.
 *
 * @param others versions that are to go though they might be kept
 */
export async function collectVersions(
  parts: Pick<ReindexParts, 'documents' | 'candidates' | 'now' | 'log' | 'limits'>,
  ref: CorpusRef,
  others: ReadonlySet<number> = new Set(),
): Promise<readonly CorpusVersion[]> {
  const { documents, candidates, now, log, limits } = parts;
  const record = await changeRecord(documents, ref, (found) => {
    const due = new Set([...collectableVersions(found, now(), limits.leastKeepMs).map(({ version }) => version), ...others]);
    // One that was promoted again meanwhile stays.
    const numbers = found.versions.filter(({ version, retiredAt }) => due.has(version) && retiredAt !== undefined);
    return numbers.length === 0
      ? found
      : dropVersions(
          found,
          numbers.map(({ version }) => version),
        );
  });
  const gone = record.dropping ?? [];
  if (gone.length === 0) return [];
  for (const version of gone) await candidates.dropVersion(version);
  const numbers = gone.map(({ version }) => version);
  await changeRecord(documents, ref, (found) => (found.corpusId === record.corpusId ? forgetDropped(found, numbers) : found));
  log.info({ tenant: ref.tenant, corpus: ref.corpus, versions: numbers }, 'Versions of a corpus were dropped.');
  return gone;
}
