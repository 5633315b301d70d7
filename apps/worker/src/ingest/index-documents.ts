import {
  passageContent,
  type CorpusVersion,
  type IndexedDocument,
  type Passage,
  type SparseVector,
  type StoredDocument,
} from '@rerank-fleet/core/domain';
import { contentHash } from '@rerank-fleet/core/corpora';
import type { Embedders } from '../pipeline/embedders.js';

export interface IndexingParts {
  readonly embedders: Embedders;
  /** The passages of each document with their BM25 vectors, as the version wants them. */
  readonly cutDocuments: (
    documents: readonly StoredDocument[],
    version: CorpusVersion,
    signal: AbortSignal,
  ) => Promise<readonly { readonly passages: readonly Passage[]; readonly bm25: readonly SparseVector[] }[]>;
}

/**
 * Cuts documents into passages and gives each its vectors.
 *
 * @throws RerankError `model_unavailable` if the version wants another embedder; `score_not_finite` for texts that the model cannot take
 */
export async function indexDocuments(
  parts: IndexingParts,
  version: CorpusVersion,
  documents: readonly StoredDocument[],
  signal: AbortSignal,
): Promise<IndexedDocument[]> {
  const embedder = parts.embedders.of(version);
  const cuts = await parts.cutDocuments(documents, version, signal);
  const contents = documents.flatMap(({ title }, position) => cuts[position]!.passages.map(({ text }) => passageContent(title, text)));
  const vectors = await embedder.embed({ texts: contents, as: 'passage', priority: 'batch', signal });
  let next = 0;
  return documents.map((document, position) => {
    const { passages: cut, bm25 } = cuts[position]!;
    const passages = cut.map((passage, index) => ({ ...passage, dense: vectors[next++]!, bm25: bm25[index]! }));
    return {
      documentId: document.id,
      seq: document.seq,
      contentHash: contentHash(document),
      passages,
      ...(document.title === undefined ? {} : { title: document.title }),
      ...(document.metadata === undefined ? {} : { metadata: document.metadata }),
    };
  });
}
