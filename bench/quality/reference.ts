/** What the figures are held against: nDCG@10 and recall@100. */
export interface Reference {
  /** Exact search over whole documents cut at 512 tokens, the same int8 file in Python: onnxruntime, tokenizers. */
  readonly dense: { readonly ndcg: number; readonly recall: number };
  /** nDCG@10 of good implementations of BM25 with stemming, where it is known. */
  readonly bm25?: readonly [least: number, most: number];
}

export const REFERENCES: Readonly<Record<string, Reference>> = {
  scifact: { dense: { ndcg: 0.7048, recall: 0.945 }, bm25: [0.67, 0.69] },
  nfcorpus: { dense: { ndcg: 0.3424, recall: 0.3043 }, bm25: [0.32, 0.33] },
  cranfield: { dense: { ndcg: 0.4116, recall: 0.7783 } },
};

/** By how much dense search without chunking may be worse than the reference. */
export const DENSE_TOLERANCE = 0.005;
