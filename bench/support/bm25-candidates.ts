import { Bm25Encoder } from '@rerank-fleet/core/retrieval';
import { Bm25Postings } from '@rerank-fleet/worker/exits/bm25-postings';
import { readJudgements, readTexts, type CandidateList } from './evaluation-data.ts';

const CONSTANTS = { k1: 0.9, b: 0.4, language: 'english', termHash: 'murmur3-32' } as const;

/** Our own BM25 over a list of texts. */
export class Bm25Index {
  readonly #encoder: Bm25Encoder;
  readonly #postings: Bm25Postings;

  constructor(texts: readonly string[]) {
    const counting = new Bm25Encoder({ ...CONSTANTS, averageLength: 1 });
    const averageLength = texts.reduce((sum, text) => sum + counting.countTerms(text), 0) / texts.length;
    this.#encoder = new Bm25Encoder({ ...CONSTANTS, averageLength });
    this.#postings = new Bm25Postings(texts.map((text) => this.#encoder.encodePassage(text)));
  }

  /** Positions of the best texts for a query, best first. */
  best(query: string, depth: number): number[] {
    return this.#postings.best(this.#encoder.encodeQuery(query).indices, depth);
  }
}

/** Our own BM25's best `depth` passages for each judged query of a set that has no first-stage run; best candidate first. */
export async function findCandidates(set: string, judgementFile: string, depth: number): Promise<CandidateList[]> {
  const [queries, corpus, judged] = [
    await readTexts(set, 'queries'),
    await readTexts(set, 'corpus'),
    await readJudgements(set, judgementFile),
  ];
  const [ids, texts] = [[...corpus.keys()], [...corpus.values()]];
  const index = new Bm25Index(texts);
  return [...judged.keys()].map((queryId) => {
    const query = queries.get(queryId)!;
    const best = index.best(query, depth);
    return { queryId, query, documentIds: best.map((at) => ids[at]!), documents: best.map((at) => texts[at]!) };
  });
}
