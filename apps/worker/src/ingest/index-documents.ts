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
  const pace = new Pace(signal);
  const chunked: (readonly Passage[])[] = [];
  for (const { text } of documents) {
    chunked.push(await parts.chunk(text, version, (texts) => parts.embedder.countTokens(texts)));
    await pace.turn();
  }
  const contents = documents.flatMap((document, position) =>
    chunked[position]!.map((passage) => passageContent(document.title, passage.text)),
  );
  const vectors = await parts.embedder.embed({ texts: contents, as: 'passage', priority: 'batch', signal });
  const bm25: SparseVector[] = [];
  for (const content of contents) {
    bm25.push(parts.encodeSparsePassage(content, version));
    await pace.turn();
  }
  let next = 0;
  return documents.map((document, position) => {
    const passages = chunked[position]!.map((passage) => {
      const index = next++;
      return { ...passage, dense: vectors[index]!, bm25: bm25[index]! };
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

/** Longest stretch on the main thread, whose loop renews locks and hands batches to the models. */
const STRETCH_MS = 20;

/** Lets the loop turn when the work at hand has held it for a while. */
class Pace {
  #since = performance.now();

  constructor(private readonly signal: AbortSignal) {}

  /** @throws the signal's reason when it aborts */
  async turn(): Promise<void> {
    if (performance.now() - this.#since < STRETCH_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.signal.throwIfAborted();
    this.#since = performance.now();
  }
}
