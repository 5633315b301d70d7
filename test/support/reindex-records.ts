import {
  beginValidation,
  claimReindex,
  concludeReindex,
  openReindex,
  startReindex,
  type ReindexClaim,
  type ReindexPlan,
} from '@rerank-fleet/core/corpora';
import type { CorpusRecord, CorpusVersion, ReindexValidation } from '@rerank-fleet/core/domain';

const BM25 = { k1: 1.2, b: 0.75, averageLength: 100, language: 'english', termHash: 'murmur3-32' } as const;
const SENTENCES = { mode: 'sentences', maxTokens: 100, overlapTokens: 10 } as const;

/** A corpus with one version, as it was made. */
export function record(): CorpusRecord {
  const ref = { tenant: 't', corpus: 'manuals' };
  const version: CorpusVersion = {
    ...ref,
    version: 1,
    corpusId: 'c',
    embedder: { name: 'old', sha256: 'old-sha', dimensions: 2 },
    chunking: SENTENCES,
    bm25: BM25,
    fields: { year: 'integer' },
    index: { shards: 2 },
    createdAt: 0,
  };
  const settings = { embeddingModel: 'old', chunking: SENTENCES, bm25: BM25, index: { shards: 2 }, fields: { year: 'integer' } } as const;
  return { ...ref, corpusId: 'c', settings, versions: [version], promotedVersion: 1, lastVersion: 1, revision: 1, createdAt: 0 };
}

export function plan(id: string): ReindexPlan {
  return {
    id,
    promote: 'auto',
    keepPreviousMs: 100,
    checks: { sample: 5, judged: [{ query: 'q', relevant: { d: 1 } }] },
    total: 10,
    settings: {
      embedder: { name: 'new', sha256: 'new-sha', dimensions: 3 },
      chunking: { mode: 'none', maxTokens: 100, overlapTokens: 0 },
      bm25: BM25,
    },
  };
}

export function validation(isGood = true): ReindexValidation {
  return { documents: { expected: 9, found: 9 }, repaired: 0, queries: 0, failures: isGood ? [] : ['too few', 'too old'] };
}

export const progress = { total: 9, created: 4, updated: 3, failed: 2, failures: [], throttledMs: 1, workedMs: 2 };

/** That of whoever holds the open reindex. */
export function claimOf(corpus: CorpusRecord): ReindexClaim {
  const { id, lease } = openReindex(corpus)!;
  return { corpusId: corpus.corpusId, id, owner: lease!.owner, fence: lease!.fence };
}

/** A corpus whose reindex is validating, in the hands of somebody. */
export function validating(change: Partial<ReindexPlan> = {}, corpus = record()): CorpusRecord {
  const claimed = claimReindex(startReindex(corpus, { ...plan('r1'), ...change }, 0), { owner: 'o', now: 0, leaseMs: 50 });
  return beginValidation(claimed, claimOf(claimed), progress);
}

/** A corpus whose second version was promoted. */
export function promoted(now: number): CorpusRecord {
  const found = validating();
  return concludeReindex(found, claimOf(found), { validation: validation(), now });
}
