import type { Candidate, Condition, CorpusVersion, DocumentStamp, FieldType, Filter, IndexedDocument } from '../../domain/index.js';
import { InvariantError, invariant } from '../../errors/index.js';
import type { CandidateStore, RetrieveRequest } from '../../ports/index.js';
import { RRF_K, passageId } from '../../retrieval/index.js';
import { passagesCollection } from './collection-names.js';
import {
  STAMP_STATE_FIELDS,
  WRITE_STATE_FIELDS,
  candidateOf,
  passagePoint,
  passageTombstone,
  stampStateOf,
  writeStateOf,
  type StampState,
} from './payloads.js';
import { sparseNumbers, type QdrantConnection, type QdrantPoint, type VectorQuery } from './qdrant-connection.js';
import type { QdrantCorpora } from './qdrant-corpora.js';
import { NOT_DELETED, olderThan, underMetadata, type QdrantFilter } from './qdrant-filter.js';

const OWN_FIELDS = { document_id: 'keyword', seq: 'integer', deleted: 'bool' } as const;
/** Points and documents in one request: some 5 MB of vectors as JSON. */
const MAX_POINTS = 500;
const MAX_DOCUMENTS = 100;

/** Passages as points of one collection a version. A document's first passage, or its tombstone, tells the document's `seq`. */
export class QdrantCandidateStore implements CandidateStore {
  constructor(
    private readonly connection: QdrantConnection,
    private readonly corpora: QdrantCorpora,
  ) {}

  async createVersion(version: CorpusVersion): Promise<void> {
    const collection = passagesCollection(version);
    const claimedBy = await this.corpora.incarnationOf(version);
    // The collection of a deleted corpus of this name may have stayed: its passages are not ours.
    if (claimedBy !== undefined && claimedBy !== version.corpusId) await this.connection.dropCollection(collection);
    if (claimedBy !== version.corpusId) await this.corpora.claimVersion(version);
    await this.connection.createCollection(collection, version.embedder.dimensions);
    await this.connection.createIndexes(collection, { ...OWN_FIELDS, ...metadataFields(version.fields) });
    const record = await this.corpora.find(version);
    if (record?.corpusId === version.corpusId && record.promotedVersion === version.version) await this.corpora.followPromotion(record);
  }

  async dropVersion(version: CorpusVersion): Promise<void> {
    const claimedBy = await this.corpora.incarnationOf(version);
    if (claimedBy !== undefined && claimedBy !== version.corpusId) return;
    await this.connection.dropCollection(passagesCollection(version));
    await this.corpora.releaseVersion(version);
  }

  async writeDocuments(version: CorpusVersion, documents: readonly IndexedDocument[]): Promise<void> {
    const collection = passagesCollection(version);
    for (const slice of slices(documents, MAX_DOCUMENTS)) {
      const onlyOver: QdrantFilter = { should: slice.map(({ documentId, seq }) => olderThan(documentId, seq)) };
      for (const points of slices(slice.flatMap(pointsOf), MAX_POINTS)) await this.connection.upsert(collection, points, { onlyOver });
      await this.removeLeftovers(collection, slice);
    }
  }

  async deleteDocuments(version: CorpusVersion, documentIds: readonly string[], seq: number): Promise<void> {
    const collection = passagesCollection(version);
    for (const ids of slices(documentIds, MAX_DOCUMENTS)) {
      const upTo: QdrantFilter = {
        must: [
          { key: 'document_id', match: { any: ids } },
          { key: 'seq', range: { lte: seq } },
        ],
      };
      // The passages go first, so that no tombstone inherits a vector.
      await this.connection.deleteWhere(collection, { ...upTo, ...NOT_DELETED });
      await this.connection.upsert(
        collection,
        ids.map((id) => passageTombstone(id, seq)),
        { onlyOver: upTo },
      );
    }
  }

  /**
   * The filter lets only points of that content take the new `seq`, and one more read tells whether the document is whole: a write under way may have put
   * some of its own points between them.
   */
  async restampDocuments(version: CorpusVersion, documents: readonly DocumentStamp[]): Promise<ReadonlySet<string>> {
    const collection = passagesCollection(version);
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
      const after = await this.heads(collection, known);
      for (const stamp of known) {
        const head = after.get(stamp.documentId);
        if (head?.seq !== stamp.seq || head.contentHash !== stamp.contentHash) continue;
        const whole = { must: [...sameContent(stamp).must, { key: 'seq', match: { value: stamp.seq } }] };
        if ((await this.connection.count(collection, whole)) === head.passages) stamped.add(stamp.documentId);
      }
    }
    return stamped;
  }

  async documentSeqs(version: CorpusVersion, documentIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const seqs = new Map<string, number>();
    for (const ids of slices(documentIds, MAX_DOCUMENTS)) {
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
    const found = await abortable(this.connection.query(passagesCollection(version), queryOf(request)), signal);
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
    return Promise.resolve();
  }

  private async heads(collection: string, documents: readonly DocumentStamp[]): Promise<ReadonlyMap<string, StampState>> {
    const ids = documents.map(({ documentId }) => passageId(documentId, 0));
    const found = await this.connection.payloadsById(collection, ids, STAMP_STATE_FIELDS);
    return new Map([...found.values()].map(stampStateOf).map((head) => [head.documentId, head]));
  }

  /**
   * Takes out passages of earlier writes: ours over theirs, and, where our write came late, ours under theirs. Both are told by the
   * `seq` that now stands at the document's first point.
   */
  private async removeLeftovers(collection: string, documents: readonly IndexedDocument[]): Promise<void> {
    const heads = await this.connection.payloadsById(
      collection,
      documents.map(({ documentId }) => passageId(documentId, 0)),
      WRITE_STATE_FIELDS,
    );
    const leftovers = documents.map(({ documentId }): QdrantFilter => {
      const head = heads.get(passageId(documentId, 0));
      if (head === undefined) throw new InvariantError('A document was written and its first point is not there.');
      const { seq, deleted } = writeStateOf(head);
      return deleted ? { ...olderThan(documentId, seq + 1), ...NOT_DELETED } : olderThan(documentId, seq);
    });
    await this.connection.deleteWhere(collection, { should: leftovers });
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

function metadataFields(fields: Readonly<Record<string, FieldType>>): Record<string, FieldType> {
  return Object.fromEntries(Object.entries(fields).map(([key, type]) => [`metadata.${key}`, type]));
}

/** A document without passages is there in no search, but its `seq` holds back slower writes. */
function pointsOf(document: IndexedDocument): QdrantPoint[] {
  const { passages, documentId, seq } = document;
  if (passages.length === 0) return [passageTombstone(documentId, seq)];
  invariant(passages[0]!.index === 0, 'The passages of a document do not count from 0.');
  return passages.map((passage) => passagePoint(document, passage));
}

function queryOf(request: RetrieveRequest): Parameters<QdrantConnection['query']>[1] {
  const { mode, limit } = request;
  if (mode === 'dense') return denseQuery(request);
  if (mode === 'sparse') return sparseQuery(request);
  return { prefetch: [denseQuery(request), sparseQuery(request)], query: { rrf: { k: RRF_K } }, limit };
}

function denseQuery({ dense, filter, limit }: RetrieveRequest): VectorQuery {
  invariant(dense, 'A dense search without a vector.');
  return { query: [...dense], using: 'dense', limit, ...(filter === undefined ? {} : { filter: underMetadata(filter) }) };
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
