import {
  passageContent,
  type CorpusVersion,
  type IndexedDocument,
  type Passage,
  type SparseVector,
  type StoredDocument,
} from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { Embedder } from '@rerank-fleet/core/ports';

export interface IndexingParts {
  readonly embedder: Embedder;
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
  if (version.embedder.sha256 !== parts.embedder.sha256) {
    throw new RerankError(
      'model_unavailable',
      `The corpus is indexed with ${version.embedder.name}, of which this worker holds another revision or nothing.`,
      { retryAfterS: 30 },
    );
  }
  const cuts = await parts.cutDocuments(documents, version, signal);
  const contents = documents.flatMap(({ title }, position) => cuts[position]!.passages.map(({ text }) => passageContent(title, text)));
  const vectors = await parts.embedder.embed({ texts: contents, as: 'passage', priority: 'batch', signal });
  let next = 0;
  return documents.map((document, position) => {
    const { passages: cut, bm25 } = cuts[position]!;
    const passages = cut.map((passage, index) => ({ ...passage, dense: vectors[next++]!, bm25: bm25[index]! }));
    return {
      documentId: document.id,
      seq: document.seq,
      passages,
      ...(document.title === undefined ? {} : { title: document.title }),
      ...(document.metadata === undefined ? {} : { metadata: document.metadata }),
    };
  });
}
