import type { CorpusRecord, CorpusRef, FieldType, Filter, StoredDocument } from '../../domain/index.js';
import { RerankError } from '../../errors/index.js';
import type { DocumentPage, DocumentStore } from '../../ports/index.js';
import { documentPointId } from '../../retrieval/index.js';
import { documentsCollection } from './collection-names.js';
import { WRITE_STATE_FIELDS, documentOf, documentPoint, documentTombstone, writeStateOf, type WriteState } from './payloads.js';
import type { QdrantConnection } from './qdrant-connection.js';
import type { QdrantCorpora } from './qdrant-corpora.js';
import { NOT_DELETED, olderThan, underMetadata, type QdrantFilter } from './qdrant-filter.js';

const OWN_FIELDS: Readonly<Record<string, FieldType>> = { document_id: 'keyword', seq: 'integer', deleted: 'bool' };
const MAX_DOCUMENTS = 100;

/** Documents as points without vectors, one collection a corpus; corpus records in `rf_corpora`. */
export class QdrantDocumentStore implements DocumentStore {
  constructor(
    private readonly connection: QdrantConnection,
    private readonly corpora: QdrantCorpora,
  ) {}

  async createCorpus(record: CorpusRecord): Promise<boolean> {
    if ((await this.corpora.find(record)) !== undefined) return false;
    const collection = documentsCollection(record);
    await this.connection.createCollection(collection);
    await this.connection.createIndexes(collection, { ...OWN_FIELDS, ...metadataFields(record) });
    // The record comes last: whoever finds it finds the collection.
    const created = await this.corpora.create(record);
    if (created) await this.corpora.followPromotion(record);
    return created;
  }

  findCorpus(ref: CorpusRef): Promise<CorpusRecord | undefined> {
    return this.corpora.find(ref);
  }

  listCorpora(tenant: string): Promise<readonly CorpusRecord[]> {
    return this.corpora.list(tenant);
  }

  listUnsettled(): Promise<readonly CorpusRef[]> {
    return this.corpora.listUnsettled();
  }

  async updateCorpus(record: CorpusRecord): Promise<boolean> {
    const updated = await this.corpora.replace(record);
    // Also where the version did not change: a swap that failed before is made good.
    if (updated) await this.corpora.followPromotion(record);
    return updated;
  }

  async deleteCorpus(ref: CorpusRef): Promise<boolean> {
    // The documents go before the record, so that a corpus made again never finds them.
    const found = (await this.corpora.find(ref)) !== undefined;
    await this.connection.dropCollection(documentsCollection(ref));
    return found && (await this.corpora.delete(ref));
  }

  async putDocuments(ref: CorpusRef, documents: readonly StoredDocument[]): Promise<ReadonlySet<string>> {
    const collection = documentsCollection(ref);
    const current = new Set<string>();
    for (let first = 0; first < documents.length; first += MAX_DOCUMENTS) {
      const slice = documents.slice(first, first + MAX_DOCUMENTS);
      const onlyOver: QdrantFilter = { should: slice.map(({ id, seq }) => olderThan(id, seq)) };
      await this.connection.upsert(collection, slice.map(documentPoint), { onlyOver });
      const states = await this.writeStates(
        collection,
        slice.map(({ id }) => id),
      );
      for (const { id, seq } of slice) if (states.get(id)?.seq === seq && states.get(id)?.deleted === false) current.add(id);
    }
    return current;
  }

  async deleteDocuments(ref: CorpusRef, documentIds: readonly string[], seq: number): Promise<number> {
    const collection = documentsCollection(ref);
    const onlyOver: QdrantFilter = { must: [{ key: 'seq', range: { lte: seq } }] };
    let gone = 0;
    for (let first = 0; first < documentIds.length; first += MAX_DOCUMENTS) {
      const ids = documentIds.slice(first, first + MAX_DOCUMENTS);
      const states = await this.writeStates(collection, ids);
      await this.connection.upsert(
        collection,
        ids.map((id) => documentTombstone(id, seq)),
        { onlyOver },
      );
      gone += [...states.values()].filter((state) => !state.deleted && state.seq <= seq).length;
    }
    return gone;
  }

  async findDocument(ref: CorpusRef, documentId: string): Promise<StoredDocument | undefined> {
    const id = documentPointId(documentId);
    const payload = (await orIfNoCorpus(this.connection.payloadsById(documentsCollection(ref), [id]), new Map<string, unknown>())).get(id);
    return payload === undefined || writeStateOf(payload).deleted ? undefined : documentOf(payload);
  }

  async scanDocuments(
    ref: CorpusRef,
    { filter, ...page }: { readonly after?: string; readonly limit: number; readonly filter?: Filter },
  ): Promise<DocumentPage> {
    const where = filter === undefined ? NOT_DELETED : { ...NOT_DELETED, must: [underMetadata(filter)] };
    const scroll = this.connection.scroll(documentsCollection(ref), { ...page, filter: where });
    const { payloads, next }: Awaited<typeof scroll> = await orIfNoCorpus(scroll, { payloads: [] });
    return { documents: payloads.map(documentOf), ...(next === undefined ? {} : { next }) };
  }

  countDocuments(ref: CorpusRef): Promise<number> {
    return orIfNoCorpus(this.connection.count(documentsCollection(ref), NOT_DELETED), 0);
  }

  async purgeTombstones(ref: CorpusRef, belowSeq: number): Promise<void> {
    const must = [
      { key: 'deleted', match: { value: true } },
      { key: 'seq', range: { lt: belowSeq } },
    ];
    await orIfNoCorpus(this.connection.deleteWhere(documentsCollection(ref), { must }), undefined);
  }

  /** The client keeps no connection that has to be closed. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  private async writeStates(collection: string, ids: readonly string[]): Promise<Map<string, WriteState>> {
    const found = await this.connection.payloadsById(collection, ids.map(documentPointId), WRITE_STATE_FIELDS);
    return new Map(
      ids.flatMap((id) => (found.has(documentPointId(id)) ? [[id, writeStateOf(found.get(documentPointId(id)))] as const] : [])),
    );
  }
}

function metadataFields({ settings }: CorpusRecord): Record<string, FieldType> {
  return Object.fromEntries(Object.entries(settings.fields).map(([key, type]) => [`metadata.${key}`, type]));
}

async function orIfNoCorpus<T>(answer: Promise<T>, absent: T): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof RerankError && error.code === 'corpus_not_found') return absent;
    throw error;
  }
}
