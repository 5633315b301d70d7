import type { CorpusIncarnation, CorpusVersion, DocumentStamp, Filter, IndexedDocument } from '../../domain/index.js';
import { CandidateReads } from './candidate-reads.js';
import { createVersion, deleteDocuments, dropVersion, restampDocuments, writeDocuments } from './candidate-writes.js';
import { DocumentRecords } from './document-records.js';
import type { EmbeddedDatabase } from './embedded-database.js';
import type { PassageQuery } from './passage-index.js';

/** All that a store thread does, by name. Synchronous: the thread is there to be blocked. */
export function createStoreOperations(database: EmbeddedDatabase) {
  const candidates = new CandidateReads(database);
  const records = new DocumentRecords(database);
  return {
    createVersion: (version: CorpusVersion) => createVersion(database, version),
    dropVersion: (version: CorpusVersion) => dropVersion(database, version),
    writeDocuments: (version: CorpusVersion, documents: readonly IndexedDocument[]) => writeDocuments(database, version, documents),
    deleteIndexed: (version: CorpusVersion, ids: readonly string[], seq: number) => deleteDocuments(database, version, ids, seq),
    restampDocuments: (version: CorpusVersion, documents: readonly DocumentStamp[]) => restampDocuments(database, version, documents),
    indexedSeqs: (version: CorpusVersion, ids: readonly string[]) => candidates.documentSeqs(version, ids),
    countIndexed: (version: CorpusVersion) => candidates.countDocuments(version),
    retrieve: (version: CorpusVersion, query: PassageQuery) => candidates.retrieve(version, query),
    countPassages: (version: CorpusVersion, filter?: Filter) => candidates.count(version, filter),
    prepare: () => candidates.prepare(),
    createCorpus: records.createCorpus.bind(records),
    findCorpus: records.findCorpus.bind(records),
    listCorpora: records.listCorpora.bind(records),
    listAllCorpora: records.listAllCorpora.bind(records),
    listUnsettled: records.listUnsettled.bind(records),
    updateCorpus: records.updateCorpus.bind(records),
    deleteCorpus: records.deleteCorpus.bind(records),
    putDocuments: records.putDocuments.bind(records),
    buryDocuments: records.buryDocuments.bind(records),
    findDocument: records.findDocument.bind(records),
    scanDocuments: records.scanDocuments.bind(records),
    countDocuments: (corpus: CorpusIncarnation) => records.countDocuments(corpus),
    countDeleted: records.countDeleted.bind(records),
    beginDelete: records.beginDelete.bind(records),
    endDelete: records.endDelete.bind(records),
    listPendingDeletes: records.listPendingDeletes.bind(records),
    purgeTombstones: records.purgeTombstones.bind(records),
  };
}

export type StoreOperations = ReturnType<typeof createStoreOperations>;

export type OperationName = keyof StoreOperations;

export interface OperationRequest {
  readonly id: number;
  readonly operation: OperationName;
  readonly args: readonly unknown[];
}

/** From the client: work, or the id of a request that nobody waits for any more. */
export type ThreadMessage = OperationRequest | { readonly cancel: number };

export type ThreadReply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code?: string; readonly detail: string; readonly cause?: string } };
