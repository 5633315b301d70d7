import type { ReindexRecord } from '@rerank-fleet/core/domain';
import { buildVersion } from './build-version.js';
import { patiently } from './patiently.js';
import type { ReindexParts } from './reindex-parts.js';
import type { ReindexSession } from './reindex-session.js';
import { validateVersion } from './validate-version.js';

/**
 * Fills the new version, from where the last process left off, and brings the reindex to its end.
 *
 * @throws the signal's reason
 */
export async function runReindex(parts: ReindexParts, session: ReindexSession): Promise<ReindexRecord> {
  await patiently(parts, session, () => parts.candidates.createVersion(session.to));
  // A cancel may have dropped the version while its index was made.
  await patiently(parts, session, () => session.confirm());
  if (session.reindex.status === 'building') {
    const progress = await buildVersion(parts, session);
    const total = await patiently(parts, session, () => parts.documents.countDocuments(session.ref));
    await patiently(parts, session, () => session.beginValidation({ ...progress, total }));
  }
  const validation = await validateVersion(parts, session);
  await patiently(parts, session, () => session.save());
  return await patiently(parts, session, () => session.conclude(validation));
}
