import { passageContent, type Bm25Constants } from '@rerank-fleet/core/domain';
import { Bm25Encoder } from '@rerank-fleet/core/retrieval';
import type { IndexingRules, TextDocument } from '../tokenization/text-messages.js';
import type { CutDocument } from '../tokenization/text-pool.js';
import { Bm25Postings } from './bm25-postings.js';
import { makeQueries } from './make-queries.js';
import { pickCandidates, pickEvenly } from './pick-candidates.js';

/** A query with candidates, best first. */
export interface UnlabelledList {
  readonly query: string;
  readonly documents: readonly string[];
}

export interface CorpusTexts {
  readonly documents: readonly TextDocument[];
  /** None: queries are made of the passages. */
  readonly queries: readonly string[];
}

export interface CorpusListsOptions {
  /** Pairs at most. */
  readonly limit: number;
  readonly rules: IndexingRules;
  readonly cutDocuments: (documents: readonly TextDocument[], rules: IndexingRules) => Promise<readonly CutDocument[]>;
}

/** Candidates that a first stage would send. */
const DEPTH = 100;
/** Candidates of most queries: many queries teach more than many candidates. */
const FEW = 11;
/** Part of the pairs that goes to queries with all their candidates, which show what early exit does. */
const WHOLE_SHARE = 0.25;
/** The least that pairs can leave of is 20 candidates. */
const LEAST_DEPTH = 20;

/** Lists as a search of the corpus would make them: BM25 over its passages, cut as its settings say. */
export async function corpusLists({ documents, queries: given }: CorpusTexts, options: CorpusListsOptions): Promise<UnlabelledList[]> {
  const { limit, rules, cutDocuments } = options;
  const cut = await cutDocuments(documents, rules);
  const all = cut.flatMap(({ passages, bm25 }, at) =>
    passages.map(({ text }, index) => ({ text: passageContent(documents[at]!.title, text), vector: bm25[index]! })),
  );
  const sampled = pickEvenly(all, limit);
  const texts = sampled.map(({ text }) => text);
  const depth = Math.max(LEAST_DEPTH, Math.min(DEPTH, Math.floor(limit / LEAST_DEPTH)));
  const whole = Math.max(1, Math.floor((WHOLE_SHARE * limit) / depth));
  const wanted = whole + Math.floor(Math.max(0, limit - whole * depth) / FEW);
  const queries = given.length === 0 ? makeQueries(texts, wanted) : pickEvenly(given, wanted);
  const best = new Retriever(
    sampled.map(({ vector }) => vector),
    rules.bm25,
  );
  const lists = queries.map((query) => ({ query, documents: best.of(query, depth).map((at) => texts[at]!) }));
  return shareOut(
    lists.filter(({ documents: found }) => found.length > 0),
    { limit, whole },
  );
}

class Retriever {
  readonly #encoder: Bm25Encoder;
  readonly #postings: Bm25Postings;

  constructor(vectors: ConstructorParameters<typeof Bm25Postings>[0], bm25: Bm25Constants) {
    this.#encoder = new Bm25Encoder(bm25);
    this.#postings = new Bm25Postings(vectors);
  }

  of(query: string, depth: number): number[] {
    return this.#postings.best(this.#encoder.encodeQuery(query).indices, depth);
  }
}

/** Some lists stay whole, evenly among all; what is left of the limit is shared by the others. */
function shareOut(
  lists: readonly UnlabelledList[],
  { limit, whole }: { readonly limit: number; readonly whole: number },
): UnlabelledList[] {
  const kept = new Set(pickEvenly(lists, Math.min(whole, Math.ceil(lists.length / 4))));
  const others = lists.filter((list) => !kept.has(list));
  const left = limit - [...kept].reduce((sum, { documents }) => sum + documents.length, 0);
  const each = Math.max(1, Math.floor(left / Math.max(1, others.length)));
  return [...kept, ...others.map(({ query, documents }) => ({ query, documents: pickCandidates(documents, each) }))];
}
