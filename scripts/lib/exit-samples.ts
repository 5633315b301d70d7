import type { UnlabelledList } from '@rerank-fleet/worker/exits/corpus-lists';
import { makeQueries } from '@rerank-fleet/worker/exits/make-queries';
import { pickCandidates, pickEvenly } from '@rerank-fleet/worker/exits/pick-candidates';
import { Bm25Index, findCandidates } from '../../bench/support/bm25-candidates.ts';
import { readTexts } from '../../bench/support/evaluation-data.ts';

/** Candidates that a first stage would send, of which a share is kept for each query. */
const DEPTH = 100;

export interface Share {
  readonly queries: number;
  readonly documents: number;
}

/** Queries of a set with its own candidates; nobody's judgements are looked at but for the queries' numbers. */
export async function ofSet(set: string, judgementFile: string, { queries, documents }: Share): Promise<UnlabelledList[]> {
  const lists = await findCandidates(set, judgementFile, DEPTH);
  return pickEvenly(lists, queries).map((list) => ({ query: list.query, documents: pickCandidates(list.documents, documents) }));
}

/** Queries made of a set's passages; its own are not read. */
export async function ofPassages(set: string, { queries, documents }: Share): Promise<UnlabelledList[]> {
  const texts = [...(await readTexts(set, 'corpus')).values()];
  const index = new Bm25Index(texts);
  return makeQueries(texts, queries).map((query) => ({
    query,
    documents: pickCandidates(
      index.best(query, DEPTH).map((position) => texts[position]!),
      documents,
    ),
  }));
}
