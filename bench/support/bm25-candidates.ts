import { Bm25Encoder } from '@rerank-fleet/core/retrieval';
import { readJudgements, readTexts, type CandidateList } from './evaluation-data.ts';

const CONSTANTS = { k1: 0.9, b: 0.4, language: 'english', termHash: 'murmur3-32' } as const;

interface Posting {
  readonly position: number;
  readonly weight: number;
}

/** Our own BM25 over a list of texts. */
export class Bm25Index {
  readonly #encoder: Bm25Encoder;
  readonly #postings = new Map<number, Posting[]>();
  readonly #size: number;

  constructor(texts: readonly string[]) {
    const counting = new Bm25Encoder({ ...CONSTANTS, averageLength: 1 });
    const averageLength = texts.reduce((sum, text) => sum + counting.countTerms(text), 0) / texts.length;
    this.#encoder = new Bm25Encoder({ ...CONSTANTS, averageLength });
    this.#size = texts.length;
    texts.forEach((text, position) => {
      const { indices, values } = this.#encoder.encodePassage(text);
      indices.forEach((term, at) => {
        const list = this.#postings.get(term) ?? [];
        list.push({ position, weight: values[at]! });
        this.#postings.set(term, list);
      });
    });
  }

  /** Positions of the best texts for a query, best first. */
  best(query: string, depth: number): number[] {
    return topPositions(this.#encoder.encodeQuery(query).indices, this.#postings, this.#size).slice(0, depth);
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

/** IDF as in Robertson and Zaragoza (2009), with 1 added so that it is never negative. */
function topPositions(terms: Uint32Array, postings: ReadonlyMap<number, readonly Posting[]>, passages: number): number[] {
  const scores = new Map<number, number>();
  for (const term of terms) {
    const list = postings.get(term) ?? [];
    const idf = Math.log(1 + (passages - list.length + 0.5) / (list.length + 0.5));
    for (const { position, weight } of list) scores.set(position, (scores.get(position) ?? 0) + idf * weight);
  }
  return [...scores].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([position]) => position);
}
