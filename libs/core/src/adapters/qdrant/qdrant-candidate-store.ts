import type { Candidate, Condition, CorpusVersion, DocumentStamp, Filter, IndexedDocument } from '../../domain/index.js';
import { RerankError, invariant } from '../../errors/index.js';
import type { CandidateStore, RetrieveRequest } from '../../ports/index.js';
import { RRF_K, passageId } from '../../retrieval/index.js';
import { passagesCollection } from './collection-names.js';
import { collectionSettings, denseSearchParams } from './index-options.js';
import { LateLooks, type Look } from './late-looks.js';
import { PayloadIndexes, metadataFields } from './payload-indexes.js';
import {
  STAMP_STATE_FIELDS,
  WRITE_STATE_FIELDS,
  candidateOf,
  documentIdOf,
  emptyDocument,
  passagePoint,
  passageTombstone,
  stampStateOf,
  writeStateOf,
  type StampState,
} from './payloads.js';
import { sparseNumbers, type QdrantConnection, type VectorQuery } from './qdrant-connection.js';
import type { QdrantCorpora } from './qdrant-corpora.js';
import { DELETED, NOT_DELETED, olderThan, underMetadata, type QdrantFilter } from './qdrant-filter.js';
import type { QdrantPoint } from './qdrant-point.js';

/** All that conditions of ours name: a server in strict mode refuses others. */
const OWN_FIELDS = { document_id: 'keyword', passage: 'integer', seq: 'integer', content_hash: 'keyword', deleted: 'bool' } as const;
/** Documents that one condition names. */
const MAX_DOCUMENTS = 100;
/** Points that one read asks for by id, or that one page holds. */
const MAX_IDS = 1_000;

/** Passages as points of one collection a version. A document's first passage, or its tombstone, tells the document's `seq`. */
export class QdrantCandidateStore implements CandidateStore {
  private readonly lateLooks: LateLooks;
  private readonly indexes: PayloadIndexes;

  constructor(
    private readonly connection: QdrantConnection,
    private readonly corpora: QdrantCorpora,
    lateLooksMs?: readonly number[],
  ) {
    this.indexes = new PayloadIndexes(connection);
    const look: Look = (collection, documentIds) => this.clear(collection, documentIds);
    this.lateLooks = new LateLooks(look, lateLooksMs === undefined ? {} : { looksMs: lateLooksMs });
  }

  async createVersion(version: CorpusVersion): Promise<void> {
    const collection = passagesCollection(version);
    await this.connection.createCollection(collection, collectionSettings(version.embedder.dimensions, version.index));
    this.indexes.forget(collection);
    await this.indexes.settle(collection, { ...OWN_FIELDS, ...metadataFields(version.fields) });
    const record = await this.corpora.find(version);
    if (record?.corpusId === version.corpusId && record.promotedVersion === version.version) await this.corpora.followPromotion(record);
  }

  async dropVersion(version: CorpusVersion): Promise<void> {
    const collection = passagesCollection(version);
    this.indexes.forget(collection);
    await this.connection.dropCollection(collection);
  }

  async writeDocuments(version: CorpusVersion, documents: readonly IndexedDocument[]): Promise<void> {
    const collection = await this.writable(version);
    for (const slice of slices(documents, MAX_DOCUMENTS)) {
      await this.upsert(collection, slice);
      await this.clear(
        collection,
        slice.map(({ documentId }) => documentId),
      );
    }
  }

  async removeLeftovers(version: CorpusVersion, documentIds: readonly string[]): Promise<void> {
    const collection = await this.writable(version);
    for (const ids of slices(documentIds, MAX_DOCUMENTS)) await this.clear(collection, ids);
  }

  async removeLeftoversOfDeleted(version: CorpusVersion): Promise<void> {
    const collection = await this.writable(version);
    for await (const ids of this.documentIdPages(collection, DELETED, MAX_DOCUMENTS)) await this.clear(collection, ids);
  }

  async deleteDocuments(version: CorpusVersion, documentIds: readonly string[], seq: number): Promise<void> {
    const collection = await this.writable(version);
    for (const ids of slices(documentIds, MAX_DOCUMENTS)) {
      const upTo: QdrantFilter = {
        must: [
          { key: 'document_id', match: { any: ids } },
          { key: 'seq', range: { lte: seq } },
        ],
      };
      // The tombstones come first, so that no slower write finds an empty place, and what one wrote before goes with the rest.
      await this.connection.upsert(
        collection,
        ids.map((id) => passageTombstone(id, seq)),
        { onlyOver: upTo },
      );
      await this.connection.deleteWhere(collection, { ...upTo, ...NOT_DELETED });
    }
  }

  /**
   * The filter lets only points of that content take the new `seq`; what is read afterwards tells whether the document is whole, as a write under way may
   * have put some of its own points between them.
   */
  async restampDocuments(version: CorpusVersion, documents: readonly DocumentStamp[]): Promise<ReadonlySet<string>> {
    const collection = await this.writable(version);
    const stamped = new Set<string>();
    for (const slice of slices(documents, MAX_DOCUMENTS)) {
      const heads = await this.heads(collection, slice);
      const known = slice.filter(({ documentId, contentHash, seq }) => {
        const head = heads.get(documentId);
        return head?.contentHash === contentHash && head.seq <= seq;
      });
      for (const [seq, group] of Map.groupBy(known, (stamp) => stamp.seq)) {
        await this.connection.setPayloadWhere(collection, { should: group.map(sameContent) }, { seq });
      }
      for (const id of await this.wholeDocuments(collection, known)) stamped.add(id);
    }
    return stamped;
  }

  async documentSeqs(version: CorpusVersion, documentIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const seqs = new Map<string, number>();
    for (const ids of slices(documentIds, MAX_IDS)) {
      const heads = await this.connection.payloadsById(
        passagesCollection(version),
        ids.map((id) => passageId(id, 0)),
        WRITE_STATE_FIELDS,
      );
      for (const id of ids) {
        const head = heads.get(passageId(id, 0));
        if (head !== undefined) seqs.set(id, writeStateOf(head).seq);
      }
    }
    return seqs;
  }

  async countDocuments(version: CorpusVersion): Promise<number> {
    return this.connection.count(passagesCollection(version), { ...NOT_DELETED, must: [{ key: 'passage', match: { value: 0 } }] });
  }

  async retrieve(version: CorpusVersion, { signal, ...request }: RetrieveRequest): Promise<readonly Candidate[]> {
    signal?.throwIfAborted();
    const found = await abortable(this.connection.query(passagesCollection(version), queryOf(version, request)), signal);
    return found.map((point, i) => candidateOf(point, i + 1));
  }

  async countPassages(version: CorpusVersion, filter?: Filter): Promise<number> {
    return this.connection.count(
      passagesCollection(version),
      filter === undefined ? NOT_DELETED : { ...NOT_DELETED, must: [underMetadata(filter)] },
    );
  }

  /** The client keeps no connection that has to be closed. */
  close(): Promise<void> {
    this.lateLooks.close();
    return Promise.resolve();
  }

  /** The version's collection, with all indexes that conditions of writes want. */
  private async writable(version: CorpusVersion): Promise<string> {
    const collection = passagesCollection(version);
    const fields = { ...OWN_FIELDS, ...metadataFields(version.fields) };
    if (!this.indexes.has(collection, fields)) await this.indexes.complete(collection, fields);
    return collection;
  }

  /**
   * A point that is there holds an older write back; a passage that a later write has removed, or never had, does not. So what comes to the server after a later
   * write has to be taken out by who sent it, also if it hears of it no more.
   */
  private async upsert(collection: string, documents: readonly IndexedDocument[]): Promise<void> {
    const onlyOver: QdrantFilter = { should: documents.map(({ documentId, seq }) => olderThan(documentId, seq)) };
    try {
      await this.connection.upsert(collection, pointsOf(documents), { onlyOver });
    } catch (error) {
      if (error instanceof RerankError && error.code === 'candidate_store_unavailable') {
        const cut = documents.filter(({ passages }) => passages.length > 1).map(({ documentId }) => documentId);
        if (cut.length > 0) this.lateLooks.begin(collection, cut);
      }
      throw error;
    }
  }

  private async heads(collection: string, documents: readonly DocumentStamp[]): Promise<ReadonlyMap<string, StampState>> {
    const ids = documents.map(({ documentId }) => passageId(documentId, 0));
    const found = await this.connection.payloadsById(collection, ids, STAMP_STATE_FIELDS);
    return new Map([...found.values()].map(stampStateOf).map((head) => [head.documentId, head]));
  }

  /** Those that stand with the stamp's content and `seq`, all their passages and no others. */
  private async wholeDocuments(collection: string, stamps: readonly DocumentStamp[]): Promise<readonly string[]> {
    const heads = await this.heads(collection, stamps);
    const current = stamps.filter(({ documentId, contentHash, seq }) => {
      const head = heads.get(documentId);
      return head?.seq === seq && head.contentHash === contentHash;
    });
    // A write that was cut short has left passages of the one before it.
    await this.clear(
      collection,
      current.map(({ documentId }) => documentId),
    );
    const expected = new Map(current.map(({ documentId }) => [documentId, heads.get(documentId)!.passages ?? 0]));
    const found = await this.countPoints(
      collection,
      current.filter(({ documentId }) => expected.get(documentId)! > 1),
    );
    // The first passage, or the mark of a document without any, has just been seen.
    return [...expected].filter(([id, passages]) => passages <= 1 || found.get(id) === passages).map(([id]) => id);
  }

  private async countPoints(collection: string, stamps: readonly DocumentStamp[]): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    if (stamps.length === 0) return counts;
    const filter = { should: stamps.map((stamp) => ({ must: [...sameContent(stamp).must, { key: 'seq', match: { value: stamp.seq } }] })) };
    for await (const ids of this.documentIdPages(collection, filter, MAX_IDS)) {
      for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }

  /** The document of each point that passes, page by page. */
  private async *documentIdPages(collection: string, filter: QdrantFilter, limit: number): AsyncGenerator<string[]> {
    let after: string | undefined;
    do {
      const from = after === undefined ? {} : { after };
      const page = await this.connection.scroll(collection, { filter, limit, fields: ['document_id'], ...from });
      yield page.payloads.map(documentIdOf);
      after = page.next;
    } while (after !== undefined);
  }

  /**
   * Takes out passages of earlier writes: ours over theirs, and, where our write came late, ours under theirs. Both are told by the
   * `seq` that now stands at the document's first point.
   */
  private async clear(collection: string, documentIds: readonly string[]): Promise<void> {
    if (documentIds.length === 0) return;
    const heads = await this.connection.payloadsById(
      collection,
      documentIds.map((id) => passageId(id, 0)),
      WRITE_STATE_FIELDS,
    );
    const leftovers = documentIds.flatMap((id): QdrantFilter[] => {
      const head = heads.get(passageId(id, 0));
      if (head === undefined) return [];
      const { seq, deleted } = writeStateOf(head);
      return [deleted ? { ...olderThan(id, seq + 1), ...NOT_DELETED } : olderThan(id, seq)];
    });
    if (leftovers.length > 0) await this.connection.deleteWhere(collection, { should: leftovers });
  }
}

/** Points of a document as it is now to be. */
function sameContent({ documentId, contentHash, seq }: DocumentStamp): { must: Condition[] } {
  return {
    must: [
      { key: 'document_id', match: { value: documentId } },
      { key: 'content_hash', match: { value: contentHash } },
      { key: 'seq', range: { lte: seq } },
    ],
  };
}

function* pointsOf(documents: readonly IndexedDocument[]): Generator<QdrantPoint> {
  for (const document of documents) {
    const { passages } = document;
    invariant(passages.length === 0 || passages[0]!.index === 0, 'The passages of a document do not count from 0.');
    if (passages.length === 0) yield emptyDocument(document);
    for (const passage of passages) yield passagePoint(document, passage);
  }
}

function queryOf({ index }: CorpusVersion, request: RetrieveRequest): Parameters<QdrantConnection['query']>[1] {
  const { mode, limit } = request;
  if (mode === 'dense') return denseQuery(index, request);
  if (mode === 'sparse') return sparseQuery(request);
  return { prefetch: [denseQuery(index, request), sparseQuery(request)], query: { rrf: { k: RRF_K } }, limit };
}

function denseQuery(index: CorpusVersion['index'], { dense, filter, limit }: RetrieveRequest): VectorQuery {
  invariant(dense, 'A dense search without a vector.');
  const params = denseSearchParams(index);
  return {
    query: [...dense],
    using: 'dense',
    limit,
    ...(params === undefined ? {} : { params }),
    ...(filter === undefined ? {} : { filter: underMetadata(filter) }),
  };
}

function sparseQuery({ sparse, filter, limit }: RetrieveRequest): VectorQuery {
  invariant(sparse, 'A sparse search without a vector.');
  return { query: sparseNumbers(sparse), using: 'bm25', limit, ...(filter === undefined ? {} : { filter: underMetadata(filter) }) };
}

function slices<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** The client takes no signal: its request runs on, within its timeout, and nobody waits for it. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
