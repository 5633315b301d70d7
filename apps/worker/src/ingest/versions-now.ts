import type { CorpusRecord, CorpusVersion } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';

/**
 * The versions that a write has to go to: read **after** the documents were put into the record. A version that is not among them was added later, and the
 * reindex that fills it scans the record after that, so it finds the documents there.
 *
 * The promoted one comes last, so that who found a write in it finds it in whichever is promoted next as well.
 *
 * Empty if the corpus went meanwhile or is about to go, or another of its name took its place.
 */
export async function versionsNow(documents: DocumentStore, corpus: CorpusRecord): Promise<readonly CorpusVersion[]> {
  const now = await documents.findCorpus(corpus);
  if (now?.corpusId !== corpus.corpusId || now.deleting === true) return [];
  const isPromoted = ({ version }: CorpusVersion): boolean => version === now.promotedVersion;
  return [...now.versions.filter((version) => !isPromoted(version)), ...now.versions.filter(isPromoted)];
}

/**
 * Writes to a version. That it was dropped meanwhile is no error, as nobody will ask it again; nor is it one that nobody has made its index yet, between
 * the moment in which a reindex was begun and that in which a worker takes it.
 */
export async function unlessDropped(
  { documents, candidates }: { readonly documents: DocumentStore; readonly candidates: CandidateStore },
  version: CorpusVersion,
  write: () => Promise<void>,
): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof RerankError) || error.code !== 'corpus_not_found') throw error;
    if (!(await isKept(documents, version))) return;
    await candidates.createVersion(version);
    if (await isKept(documents, version)) await write();
    else await candidates.dropVersion(version);
  }
}

async function isKept(documents: DocumentStore, { corpusId, version, ...ref }: CorpusVersion): Promise<boolean> {
  const record = await documents.findCorpus(ref);
  return record?.corpusId === corpusId && record.deleting !== true && record.versions.some((other) => other.version === version);
}
