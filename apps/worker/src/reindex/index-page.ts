import type { CorpusVersion, IndexedDocument, ReindexFailure, StoredDocument } from '@rerank-fleet/core/domain';
import { isFaultOfText } from '../ingest/fault-of-text.js';
import { indexDocuments } from '../ingest/index-documents.js';
import { patiently } from './patiently.js';
import type { ReindexParts } from './reindex-parts.js';
import type { ReindexSession } from './reindex-session.js';

/** Processes that died at one place before documents go one by one. */
const DEATHS_OF_CHANCE = 1;

/** Whether documents go one by one, as one of them may be what workers die under. */
export function isCareful({ progress: { care } }: ReindexSession): boolean {
  return care !== undefined && care.deaths > DEATHS_OF_CHANCE;
}

/** Documents of a page that the new version does not have as they are, or newer. */
export async function dueOf(
  { candidates }: ReindexParts,
  version: CorpusVersion,
  documents: readonly StoredDocument[],
): Promise<readonly StoredDocument[]> {
  if (documents.length === 0) return [];
  const seqs = await candidates.documentSeqs(
    version,
    documents.map(({ id }) => id),
  );
  return documents.filter(({ id, seq }) => (seqs.get(id) ?? -1) < seq);
}

/** Brings documents to the new version. Resolves to those that cannot be indexed. @throws the signal's reason */
export async function indexPage(
  parts: ReindexParts,
  session: ReindexSession,
  documents: readonly StoredDocument[],
): Promise<readonly ReindexFailure[]> {
  const convicted = new Set(session.progress.care?.convicted);
  const innocent = documents.filter(({ id }) => !convicted.has(id));
  const failures: ReindexFailure[] = documents.filter(({ id }) => convicted.has(id)).map(({ id }) => underWhichWorkersDied(id));
  if (isCareful(session)) {
    for (const document of innocent) failures.push(...(await indexAlone(parts, session, document)));
  } else failures.push(...(await write(parts, session, innocent)));
  return failures;
}

/** The record names it before and forgets it after, so a worker that dies between the two tells which document it was. */
async function indexAlone(parts: ReindexParts, session: ReindexSession, document: StoredDocument): Promise<readonly ReindexFailure[]> {
  const care = session.progress.care!;
  session.progress = { ...session.progress, care: { ...care, alone: document.id } };
  await patiently(parts, session, () => session.save());
  const failures = await write(parts, session, [document]);
  session.progress = { ...session.progress, care: { deaths: care.deaths, convicted: care.convicted } };
  await patiently(parts, session, () => session.save());
  return failures;
}

/** The vectors are kept while a store is away. */
async function write(
  parts: ReindexParts,
  session: ReindexSession,
  documents: readonly StoredDocument[],
): Promise<readonly ReindexFailure[]> {
  if (documents.length === 0) return [];
  const { indexed, failures } = await patiently(parts, session, () => indexIsolating(parts, session, documents));
  if (indexed.length > 0) await patiently(parts, session, () => parts.candidates.writeDocuments(session.to, indexed));
  const failed = new Set(failures.map(({ documentId }) => documentId));
  // Nothing is better than what an earlier text of the document left there; a later write still passes.
  for (const { id, seq } of documents)
    if (failed.has(id)) await patiently(parts, session, () => parts.candidates.deleteDocuments(session.to, [id], seq - 1));
  return failures;
}

interface Indexed {
  readonly indexed: readonly IndexedDocument[];
  readonly failures: readonly ReindexFailure[];
}

/** By halves if a text is at fault, so that only that one fails. */
async function indexIsolating(parts: ReindexParts, session: ReindexSession, documents: readonly StoredDocument[]): Promise<Indexed> {
  try {
    return { indexed: await indexDocuments(parts, session.to, documents, session.signal), failures: [] };
  } catch (error) {
    if (!isFaultOfText(error)) throw error;
    const [first] = documents;
    if (documents.length === 1 && first !== undefined)
      return { indexed: [], failures: [{ documentId: first.id, code: error.code, detail: error.detail }] };
  }
  const middle = Math.ceil(documents.length / 2);
  const [left, right] = [
    await indexIsolating(parts, session, documents.slice(0, middle)),
    await indexIsolating(parts, session, documents.slice(middle)),
  ];
  return { indexed: [...left.indexed, ...right.indexed], failures: [...left.failures, ...right.failures] };
}

function underWhichWorkersDied(documentId: string): ReindexFailure {
  return {
    documentId,
    code: 'internal_error',
    detail: 'Workers ended under this document while it was alone, time and again; it was left out.',
  };
}
