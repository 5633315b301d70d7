import type { CorpusIncarnation, CorpusRecord, CorpusRef, FieldType, Filter, PendingDelete, StoredDocument } from '../../domain/index.js';
import { RerankError } from '../../errors/index.js';
import type { DocumentPage, DocumentStore } from '../../ports/index.js';
import { documentPointId } from '../../retrieval/index.js';
import { documentsCollection } from './collection-names.js';
import { WRITE_STATE_FIELDS, documentOf, documentPoint, documentTombstone, writeStateOf, type WriteState } from './payloads.js';
import { PayloadIndexes, metadataFields } from './payload-indexes.js';
import type { QdrantConnection } from './qdrant-connection.js';
import type { QdrantCorpora } from './qdrant-corpora.js';
import type { QdrantPoint } from './qdrant-point.js';
import { NOT_DELETED, olderThan, underMetadata, type QdrantFilter } from './qdrant-filter.js';

/** All that conditions of ours name: a server in strict mode refuses others. */
const OWN_FIELDS: Readonly<Record<string, FieldType>> = { document_id: 'keyword', seq: 'integer', deleted: 'bool', taken: 'bool' };
const MAX_DOCUMENTS = 100;

/** Documents as points without vectors, one collection a corpus; corpus records in `rf_corpora`. */
export class QdrantDocumentStore implements DocumentStore {
  private readonly indexes: PayloadIndexes;

  constructor(
    private readonly connection: QdrantConnection,
    private readonly corpora: QdrantCorpora,
  ) {
    this.indexes = new PayloadIndexes(connection);
  }

  /** The record claims the name; the collection comes after it. Who dies in between leaves it to the first write. */
  async createCorpus(record: CorpusRecord): Promise<boolean> {
    if (!(await this.corpora.create(record))) return false;
    await this.createDocuments(record);
    await this.corpora.followPromotion(record);
    return true;
  }

  findCorpus(ref: CorpusRef): Promise<CorpusRecord | undefined> {
    return this.corpora.find(ref);
  }

  listCorpora(tenant: string): Promise<readonly CorpusRecord[]> {
    return this.corpora.list(tenant);
  }

  listAllCorpora(): Promise<readonly CorpusRecord[]> {
    return this.corpora.listAll();
  }

  listUnsettled(): Promise<readonly CorpusRef[]> {
    return this.corpora.listUnsettled();
  }

  /** New fields have their indexes before the record names them: conditions on them come after. */
  async updateCorpus(record: CorpusRecord): Promise<boolean> {
    const collection = documentsCollection(record);
    await orIfNoCorpus(this.indexes.complete(collection, fieldsOf(record)), undefined);
    if (!(await this.corpora.replace(record))) return false;
    await orIfNoCorpus(this.indexes.settle(collection, fieldsOf(record)), undefined);
    // Also where the version did not change: a swap that failed before is made good.
    await this.corpora.followPromotion(record);
    return true;
  }

  /** The documents go before the record, which tells of a deletion that is cut short; and once more after it, as a slow write may have made the collection anew. */
  async deleteCorpus(corpus: CorpusIncarnation): Promise<boolean> {
    const collection = documentsCollection(corpus);
    await this.connection.dropCollection(collection);
    this.indexes.forget(collection);
    const deleted = await this.corpora.delete(corpus);
    if (deleted) await this.connection.dropCollection(collection);
    return deleted;
  }

  async putDocuments(corpus: CorpusIncarnation, documents: readonly StoredDocument[]): Promise<ReadonlySet<string>> {
    const collection = documentsCollection(corpus);
    const current = new Set<string>();
    for (let first = 0; first < documents.length; first += MAX_DOCUMENTS) {
      const slice = documents.slice(first, first + MAX_DOCUMENTS);
      const onlyOver: QdrantFilter = { should: slice.map(({ id, seq }) => olderThan(id, seq)) };
      await this.upsert(corpus, slice.map(documentPoint), onlyOver);
      const states = await this.writeStates(
        collection,
        slice.map(({ id }) => id),
      );
      for (const { id, seq } of slice) if (states.get(id)?.seq === seq && states.get(id)?.deleted === false) current.add(id);
    }
    return current;
  }

  async deleteDocuments(corpus: CorpusIncarnation, documentIds: readonly string[], seq: number): Promise<number> {
    const collection = documentsCollection(corpus);
    const onlyOver: QdrantFilter = { must: [{ key: 'seq', range: { lte: seq } }] };
    let gone = 0;
    for (let first = 0; first < documentIds.length; first += MAX_DOCUMENTS) {
      const ids = documentIds.slice(first, first + MAX_DOCUMENTS);
      const states = await orIfNoCorpus(this.writeStates(collection, ids), new Map<string, WriteState>());
      await this.upsert(
        corpus,
        ids.map((id) => documentTombstone(id, seq, states.get(id))),
        onlyOver,
      );
      gone += [...states.values()].filter((state) => !state.deleted && state.seq <= seq).length;
    }
    return gone;
  }

  async countDeleted(corpus: CorpusIncarnation, seq: number): Promise<number> {
    await orIfNoCorpus(this.completeIndexes(corpus), undefined);
    const must = [
      { key: 'deleted', match: { value: true } },
      { key: 'taken', match: { value: true } },
      { key: 'seq', match: { value: seq } },
    ];
    return await orIfNoCorpus(this.connection.count(documentsCollection(corpus), { must }), 0);
  }

  async findDocument(corpus: CorpusIncarnation, documentId: string): Promise<StoredDocument | undefined> {
    const id = documentPointId(documentId);
    const payload = (await orIfNoCorpus(this.connection.payloadsById(documentsCollection(corpus), [id]), new Map<string, unknown>())).get(
      id,
    );
    return payload === undefined || writeStateOf(payload).deleted ? undefined : documentOf(payload);
  }

  async scanDocuments(
    corpus: CorpusIncarnation,
    { filter, ...page }: { readonly after?: string; readonly limit: number; readonly filter?: Filter },
  ): Promise<DocumentPage> {
    const where = filter === undefined ? NOT_DELETED : { ...NOT_DELETED, must: [underMetadata(filter)] };
    const scroll = this.connection.scroll(documentsCollection(corpus), { ...page, filter: where });
    const { payloads, next }: Awaited<typeof scroll> = await orIfNoCorpus(scroll, { payloads: [] });
    return { documents: payloads.map(documentOf), ...(next === undefined ? {} : { next }) };
  }

  countDocuments(corpus: CorpusIncarnation): Promise<number> {
    return orIfNoCorpus(this.connection.count(documentsCollection(corpus), NOT_DELETED), 0);
  }

  beginDelete(pending: PendingDelete): Promise<void> {
    return this.corpora.beginDelete(pending);
  }

  endDelete({ id }: Pick<PendingDelete, 'id'>): Promise<void> {
    return this.corpora.endDelete(id);
  }

  listPendingDeletes(): Promise<readonly PendingDelete[]> {
    return this.corpora.listPendingDeletes();
  }

  async purgeTombstones(corpus: CorpusIncarnation, belowSeq: number): Promise<void> {
    await orIfNoCorpus(this.completeIndexes(corpus), undefined);
    const must = [
      { key: 'deleted', match: { value: true } },
      { key: 'seq', range: { lt: belowSeq } },
    ];
    await orIfNoCorpus(this.connection.deleteWhere(documentsCollection(corpus), { must }), undefined);
  }

  /** The client keeps no connection that has to be closed. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Makes the collection if who made the corpus did not come to it. */
  private async upsert(corpus: CorpusIncarnation, points: readonly QdrantPoint[], onlyOver: QdrantFilter): Promise<void> {
    const collection = documentsCollection(corpus);
    const write = async (): Promise<void> => {
      await this.completeIndexes(corpus);
      await this.connection.upsert(collection, points, { onlyOver });
    };
    try {
      await write();
    } catch (error) {
      if (!isNoCorpus(error)) throw error;
      const record = await this.recordOf(corpus);
      if (record === undefined) throw error;
      if (!(await this.createDocuments(record))) throw error;
      await write();
    }
  }

  /** Of a collection that this process has not seen yet. */
  private async completeIndexes(corpus: CorpusIncarnation): Promise<void> {
    const collection = documentsCollection(corpus);
    if (this.indexes.has(collection, OWN_FIELDS)) return;
    const record = await this.recordOf(corpus);
    if (record !== undefined) await this.indexes.complete(collection, fieldsOf(record));
  }

  private async recordOf(corpus: CorpusIncarnation): Promise<CorpusRecord | undefined> {
    const record = await this.corpora.find(corpus);
    return record?.corpusId === corpus.corpusId ? record : undefined;
  }

  /** Resolves to false, leaving nothing, if the corpus was deleted meanwhile. */
  private async createDocuments(record: CorpusRecord): Promise<boolean> {
    const collection = documentsCollection(record);
    await this.connection.createCollection(collection);
    this.indexes.forget(collection);
    await this.indexes.settle(collection, fieldsOf(record));
    if ((await this.recordOf(record)) !== undefined) return true;
    await this.connection.dropCollection(collection);
    return false;
  }

  private async writeStates(collection: string, ids: readonly string[]): Promise<Map<string, WriteState>> {
    const found = await this.connection.payloadsById(collection, ids.map(documentPointId), WRITE_STATE_FIELDS);
    return new Map(
      ids.flatMap((id) => (found.has(documentPointId(id)) ? [[id, writeStateOf(found.get(documentPointId(id)))] as const] : [])),
    );
  }
}

function fieldsOf({ settings }: CorpusRecord): Readonly<Record<string, FieldType>> {
  return { ...OWN_FIELDS, ...metadataFields(settings.fields) };
}

async function orIfNoCorpus<T>(answer: Promise<T>, absent: T): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (isNoCorpus(error)) return absent;
    throw error;
  }
}

function isNoCorpus(error: unknown): boolean {
  return error instanceof RerankError && error.code === 'corpus_not_found';
}
