import type { CorpusVersion, JudgedQuery } from '@rerank-fleet/core/domain';
import { ndcg } from '@rerank-fleet/core/retrieval';
import { isFaultOfText } from '../ingest/fault-of-text.js';
import { firstOfEachGroup } from '../pipeline/rank-results.js';
import { patiently } from './patiently.js';
import type { ReindexParts } from './reindex-parts.js';
import type { ReindexSession } from './reindex-session.js';

/** Documents of a list that are compared. */
const DEPTH = 10;
/** Passages that ten documents are sought in. */
const PASSAGES = 100;

export interface Comparison {
  readonly queries: number;
  readonly overlap?: number;
  readonly ndcg?: { readonly before: number; readonly after: number };
}

/**
 * Asks both versions the same queries, each with its own embedder, in hybrid mode. Nothing is compared if this worker does not hold the embedder of the
 * version before.
 *
 * @throws the signal's reason
 */
export async function compareVersions(parts: ReindexParts, session: ReindexSession, queries: readonly JudgedQuery[]): Promise<Comparison> {
  const { from, to } = session;
  if (queries.length === 0 || !parts.embedders.holds(from)) return { queries: 0 };
  const overlaps: number[] = [];
  const gains: { readonly before: number; readonly after: number }[] = [];
  for (const { query, relevant } of queries) {
    const before = await firstDocuments(parts, session, from, query);
    const after = await firstDocuments(parts, session, to, query);
    overlaps.push(overlapOf(before, after));
    const grades = new Map(Object.entries(relevant));
    const [was, is] = [ndcg(before, grades, DEPTH), ndcg(after, grades, DEPTH)];
    if (was !== undefined && is !== undefined) gains.push({ before: was, after: is });
  }
  return {
    queries: queries.length,
    overlap: mean(overlaps),
    ...(gains.length === 0
      ? {}
      : { ndcg: { before: mean(gains.map(({ before }) => before)), after: mean(gains.map(({ after }) => after)) } }),
  };
}

/** Ids of the first ten documents; none if the text of the query cannot be embedded. */
async function firstDocuments(
  parts: ReindexParts,
  session: ReindexSession,
  version: CorpusVersion,
  query: string,
): Promise<readonly string[]> {
  const { signal } = session;
  return await patiently(parts, session, async () => {
    try {
      const [dense] = await parts.embedders.of(version).embed({ texts: [query], as: 'query', priority: 'batch', signal });
      const candidates = await parts.candidates.retrieve(version, {
        mode: 'hybrid',
        limit: PASSAGES,
        sparse: parts.encodeSparseQuery(query, version),
        signal,
        ...(dense === undefined ? {} : { dense }),
      });
      const ranked = candidates.map(({ documentId }, index) => ({ documentId, index }));
      return firstOfEachGroup(ranked, (index) => ranked[index]!.documentId)
        .slice(0, DEPTH)
        .map(({ documentId }) => documentId);
    } catch (error) {
      if (isFaultOfText(error)) return [];
      throw error;
    }
  });
}

/** Two lists without anything agree. */
export function overlapOf(before: readonly string[], after: readonly string[]): number {
  const most = Math.max(before.length, after.length);
  if (most === 0) return 1;
  const known = new Set(before);
  return after.filter((id) => known.has(id)).length / most;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
