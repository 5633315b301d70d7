import { makeQueries } from '@rerank-fleet/worker/exits/make-queries';
import { Bm25Index, findCandidates } from '../../bench/support/bm25-candidates.ts';
import { readTexts } from '../../bench/support/evaluation-data.ts';

export interface UnlabelledQuery {
  readonly query: string;
  readonly documents: readonly string[];
}

/** Candidates that a first stage would send, of which a share is kept for each query. */
const DEPTH = 100;
const BEST = 4;

/** The best few, and others evenly from further down. */
function someOf<T>(ranked: readonly T[], count: number): T[] {
  const rest = Math.max(1, count - BEST);
  const step = Math.max(1, (ranked.length - BEST) / rest);
  const further = Array.from({ length: rest }, (_, at) => ranked[BEST + Math.floor(at * step)]);
  return [...ranked.slice(0, BEST), ...further.filter((item) => item !== undefined)];
}

function evenly<T>(items: readonly T[], count: number): T[] {
  return Array.from(
    { length: Math.min(count, items.length) },
    (_, at) => items[Math.floor((at * items.length) / Math.min(count, items.length))]!,
  );
}

export interface Share {
  readonly queries: number;
  readonly documents: number;
}

/** Queries of a set with its own candidates; nobody's judgements are looked at but for the queries' numbers. */
export async function ofSet(set: string, judgementFile: string, { queries, documents }: Share): Promise<UnlabelledQuery[]> {
  const lists = await findCandidates(set, judgementFile, DEPTH);
  return evenly(lists, queries).map((list) => ({ query: list.query, documents: someOf(list.documents, documents) }));
}

/** Queries made of a set's passages; its own are not read. */
export async function ofPassages(set: string, { queries, documents }: Share): Promise<UnlabelledQuery[]> {
  const texts = [...(await readTexts(set, 'corpus')).values()];
  const index = new Bm25Index(texts);
  return makeQueries(texts, queries).map((query) => ({
    query,
    documents: someOf(
      index.best(query, DEPTH).map((position) => texts[position]!),
      documents,
    ),
  }));
}
