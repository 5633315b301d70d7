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
  readonly chunk: (
    text: string,
    version: CorpusVersion,
    countTokens: (texts: readonly string[]) => Promise<readonly number[]>,
  ) => Promise<readonly Passage[]>;
  readonly encodeSparsePassage: (text: string, version: CorpusVersion) => SparseVector;
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
  const chunked = await Promise.all(
    documents.map((document) => parts.chunk(document.text, version, (texts) => parts.embedder.countTokens(texts))),
  );
  const contents = documents.flatMap((document, position) =>
    chunked[position]!.map((passage) => passageContent(document.title, passage.text)),
  );
  const vectors = await parts.embedder.embed({ texts: contents, as: 'passage', priority: 'batch', signal });
  let next = 0;
  return documents.map((document, position) => {
    const passages = chunked[position]!.map((passage) => {
      const index = next++;
      return { ...passage, dense: vectors[index]!, bm25: parts.encodeSparsePassage(contents[index]!, version) };
    });
    return {
      documentId: document.id,
      seq: document.seq,
      passages,
      ...(document.title === undefined ? {} : { title: document.title }),
      ...(document.metadata === undefined ? {} : { metadata: document.metadata }),
    };
  });
}
