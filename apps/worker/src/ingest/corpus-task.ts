import { randomUUID } from 'node:crypto';
import type { CorpusOutcome, CorpusSettingsBody, CorpusTask } from '@rerank-fleet/core/contracts';
import { promotedVersion } from '@rerank-fleet/core/corpora';
import type { CorpusRecord, CorpusRef, CorpusSettings, CorpusVersion, PendingDelete } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { CandidateStore, DocumentStore, FirstStage } from '@rerank-fleet/core/ports';
import { changeReindexes, type ReindexChange } from '../reindex/change-reindexes.js';
import type { TaskHandlers } from '../tasks/task-processor.js';
import { INDEXED_SETTINGS, settleSettings, type SettingsParts } from './corpus-settings.js';
import { deleteCorpus, endDeletion } from './delete-corpus.js';
import { deleteDocuments } from './delete-documents.js';
import { retryDelete } from './settle-deletes.js';

export interface CorpusParts extends SettingsParts {
  readonly documents: DocumentStore;
  readonly candidates: CandidateStore;
  readonly external: Pick<FirstStage, 'settle'>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  /** A reindex was begun or changed: whoever works on it should look. */
  readonly onReindex: (ref: CorpusRef) => void;
  /** A deletion failed, and may have begun: it has to be carried through. */
  readonly onDeletionCut: (pending: PendingDelete) => void;
}

/** Makes, changes, reindexes and deletes corpora, and deletes documents. Only workers write to the stores. */
export function corpusTask(parts: CorpusParts): TaskHandlers['corpus'] {
  return async ({ corpus, change }, { tenant }) => {
    const ref: CorpusRef = { tenant, corpus };
    switch (change.op) {
      case 'put':
        return await putCorpus(parts, ref, withSettledSource(parts, tenant, change.settings));
      case 'delete':
        return { kind: 'corpus', deleted: await deleted(parts, ref, change.corpus_id) };
      case 'delete_documents':
        return { kind: 'corpus', deleted: await deletedDocuments(parts, pendingDelete(parts, ref, change)) };
      case 'settle_delete':
        return { kind: 'corpus', deleted: await retryDelete(parts, change.delete_id) };
      case 'start_reindex':
      case 'control_reindex':
        return await changeReindexes(parts, ref, change satisfies ReindexChange);
    }
  };
}

/** The source with its options completed, so that it can be compared with a stored one. */
function withSettledSource({ external }: CorpusParts, tenant: string, { source, ...settings }: CorpusSettingsBody): CorpusSettingsBody {
  if (source === undefined) return settings;
  const { connection, options } = external.settle(tenant, source);
  return { ...settings, source: { connection, options: options as typeof source.options } };
}

/** The record claims the name, so that of two at once one makes the corpus and the other finds it. Then comes the index; a repeat makes it if that was cut short. */
async function putCorpus(parts: CorpusParts, ref: CorpusRef, body: CorpusSettingsBody): Promise<CorpusOutcome> {
  const known = await parts.documents.findCorpus(ref);
  if (known?.deleting === true) await endDeletion(parts, known);
  else if (known !== undefined) return await changeCorpus(parts, known, body);
  const record = newRecord(parts, ref, settleSettings(parts, body));
  if (!(await parts.documents.createCorpus(record))) return await putCorpus(parts, ref, body);
  if (record.settings.source === undefined) await parts.candidates.createVersion(promotedVersion(record));
  return { kind: 'corpus', created: true };
}

/** Fields and stages may change at any time; whatever decides what is in the index needs a reindex. */
async function changeCorpus(parts: CorpusParts, known: CorpusRecord, body: CorpusSettingsBody): Promise<CorpusOutcome> {
  const settings = settleSettings(parts, body, known.settings);
  if (JSON.stringify(settings.source) !== JSON.stringify(known.settings.source))
    throw new RerankError('invalid_request', 'A corpus keeps its source; make a corpus of another name.', {
      errors: [{ pointer: '/source', detail: 'cannot be changed' }],
    });
  const changed = INDEXED_SETTINGS.filter((name) => JSON.stringify(settings[name]) !== JSON.stringify(known.settings[name]));
  if (changed.length > 0) {
    const names = changed.map((name) => (name === 'embeddingModel' ? 'embedding_model' : name)).join(', ');
    throw new RerankError(
      'reindex_required',
      `A change of ${names} needs a new index: send it to POST /v1/admin/corpora/${known.corpus}/reindex, which builds one beside the old.`,
    );
  }
  const versions = known.versions.map((version) => ({ ...version, fields: settings.fields }));
  if (settings.source === undefined) for (const version of versions) await parts.candidates.createVersion(version);
  if (JSON.stringify(settings) === JSON.stringify(known.settings)) return { kind: 'corpus', created: false };
  if (await parts.documents.updateCorpus({ ...known, settings, versions, revision: known.revision + 1 }))
    return { kind: 'corpus', created: false };
  // Another was faster, as a reindex that stores its progress: from what is there now.
  return await putCorpus(parts, known, body);
}

async function deleted(parts: CorpusParts, ref: CorpusRef, corpusId: string | undefined): Promise<number> {
  const documents = await deleteCorpus(parts, ref, corpusId);
  parts.onReindex(ref);
  return documents;
}

async function deletedDocuments(parts: CorpusParts, pending: PendingDelete): Promise<number> {
  try {
    return await deleteDocuments(parts, pending);
  } catch (error) {
    parts.onDeletionCut(pending);
    throw error;
  }
}

function pendingDelete(
  { now }: CorpusParts,
  ref: CorpusRef,
  { corpus_id: corpusId, seq, ids, filter }: Extract<CorpusTask['change'], { op: 'delete_documents' }>,
): PendingDelete {
  return {
    ...ref,
    corpusId,
    id: String(seq),
    seq,
    ...(ids === undefined ? { filter: filter ?? {} } : { documentIds: ids }),
    begunAt: now(),
  };
}

function newRecord({ embedders, now }: CorpusParts, ref: CorpusRef, settings: CorpusSettings): CorpusRecord {
  const { name, sha256, dimensions } = embedders.named(settings.embeddingModel);
  const { chunking, bm25, fields, index, source } = settings;
  const version: CorpusVersion = {
    ...ref,
    version: 1,
    corpusId: randomUUID(),
    embedder: { name, sha256, dimensions },
    chunking,
    bm25,
    fields,
    ...(index === undefined ? {} : { index }),
    ...(source === undefined ? {} : { source }),
    createdAt: now(),
  };
  const { corpusId, createdAt } = version;
  return { ...ref, corpusId, settings, versions: [version], promotedVersion: 1, lastVersion: 1, revision: 1, createdAt };
}
