import type { CorpusRecord, CorpusVersion } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { DocumentStore } from '@rerank-fleet/core/ports';

/**
 * The versions that a write has to go to: read **after** the documents were put into the record. A version that is not among them was added later, and the
 * reindex that fills it scans the record after that, so it finds the documents there.
 *
 * Empty if the corpus went meanwhile, or another of its name took its place.
 */
export async function versionsNow(documents: DocumentStore, corpus: CorpusRecord): Promise<readonly CorpusVersion[]> {
  const now = await documents.findCorpus(corpus);
  return now?.corpusId === corpus.corpusId ? now.versions : [];
}

/** Writes to a version; that it was dropped meanwhile is no error, as nobody will ask it again. Resolves to undefined then. */
export async function unlessDropped<T>(documents: DocumentStore, version: CorpusVersion, write: () => Promise<T>): Promise<T | undefined> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof RerankError) || error.code !== 'corpus_not_found') throw error;
    const record = await documents.findCorpus(version);
    const isThere = record?.corpusId === version.corpusId && record.versions.some((other) => other.version === version.version);
    if (isThere) throw error;
    return undefined;
  }
}
