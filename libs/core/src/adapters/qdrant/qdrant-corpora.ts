import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  isUnsettled,
  type Condition,
  type CorpusIncarnation,
  type CorpusRecord,
  type CorpusRef,
  type PendingDelete,
} from '../../domain/index.js';
import { RerankError } from '../../errors/index.js';
import { nameBasedId } from '../../retrieval/index.js';
import { CORPORA_COLLECTION, passagesAlias, passagesCollection } from './collection-names.js';
import { parsed, type QdrantConnection } from './qdrant-connection.js';
import type { QdrantPoint } from './qdrant-point.js';

/** The record itself is JSON text: it is only ever read whole. */
const corpusPayload = z.object({ record: z.string(), write_id: z.string() });
const deletePayload = z.object({ pending: z.string() });

const FIELDS = {
  kind: 'keyword',
  tenant: 'keyword',
  corpus: 'keyword',
  corpus_id: 'keyword',
  revision: 'integer',
  unsettled: 'bool',
} as const;
const PAGE = 256;

function corpusPointId({ tenant, corpus }: CorpusRef): string {
  return nameBasedId(JSON.stringify(['corpus', tenant, corpus]));
}

function deletePointId(id: string): string {
  return nameBasedId(JSON.stringify(['delete', id]));
}

/** The points of `rf_corpora`, and the aliases that follow from them. */
export class QdrantCorpora {
  private ready: Promise<void> | undefined;

  constructor(private readonly connection: QdrantConnection) {}

  async find(ref: CorpusRef): Promise<CorpusRecord | undefined> {
    return (await this.stored(ref))?.record;
  }

  async list(tenant: string): Promise<readonly CorpusRecord[]> {
    const records = await this.scan({ key: 'tenant', match: { value: tenant } });
    return records.sort((a, b) => (a.corpus < b.corpus ? -1 : 1));
  }

  async listUnsettled(): Promise<readonly CorpusRef[]> {
    const records = await this.scan({ key: 'unsettled', match: { value: true } });
    return records.map(({ tenant, corpus }) => ({ tenant, corpus }));
  }

  async listAll(): Promise<readonly CorpusRecord[]> {
    return await this.scan();
  }

  async beginDelete(pending: PendingDelete): Promise<void> {
    const { tenant, corpus, corpusId } = pending;
    const payload = { kind: 'delete', tenant, corpus, corpus_id: corpusId, pending: JSON.stringify(pending) };
    const points = [{ id: deletePointId(pending.id), vector: {}, payload }];
    await this.inCollection(() => this.connection.upsert(CORPORA_COLLECTION, points, { insertOnly: true }));
  }

  async endDelete(id: string): Promise<void> {
    await this.inCollection(() => this.connection.deletePoints(CORPORA_COLLECTION, [deletePointId(id)]));
  }

  async listPendingDeletes(): Promise<readonly PendingDelete[]> {
    const payloads = await this.payloads([{ key: 'kind', match: { value: 'delete' } }]);
    return payloads.map((payload) => JSON.parse(parsed(deletePayload, payload).pending) as PendingDelete);
  }

  private async scan(...conditions: Condition[]): Promise<CorpusRecord[]> {
    const payloads = await this.payloads([{ key: 'kind', match: { value: 'corpus' } }, ...conditions]);
    return payloads.map((payload) => JSON.parse(parsed(corpusPayload, payload).record) as CorpusRecord);
  }

  private async payloads(must: readonly Condition[]): Promise<unknown[]> {
    const found: unknown[] = [];
    let after: string | undefined;
    do {
      const from = after === undefined ? {} : { after };
      const page = await this.inCollection(() => this.connection.scroll(CORPORA_COLLECTION, { filter: { must }, limit: PAGE, ...from }));
      found.push(...page.payloads);
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  /** Resolves to false if there is one of that name. */
  async create(record: CorpusRecord): Promise<boolean> {
    return this.write(record, (payload) =>
      this.connection.upsert(CORPORA_COLLECTION, [{ id: corpusPointId(record), vector: {}, payload }], { insertOnly: true }),
    );
  }

  /**
   * Resolves to false if the stored record is not the one before this. It sets the payload of a point that is there: an upsert would bring a corpus back that was
   * deleted before it arrived.
   */
  async replace(record: CorpusRecord): Promise<boolean> {
    const { tenant, corpus, corpusId, revision } = record;
    const must = [
      { key: 'kind', match: { value: 'corpus' } },
      { key: 'tenant', match: { value: tenant } },
      { key: 'corpus', match: { value: corpus } },
      { key: 'corpus_id', match: { value: corpusId } },
      { key: 'revision', match: { value: revision - 1 } },
    ];
    return this.write(record, (payload) => this.connection.setPayloadWhere(CORPORA_COLLECTION, { must }, payload));
  }

  /**
   * The alias is left alone: it goes with the collection that it points at. Two workers may end the same deletion, and the slower one would drop the alias of a
   * corpus that was made under the name since.
   */
  async delete({ tenant, corpus, corpusId }: CorpusIncarnation): Promise<boolean> {
    if ((await this.find({ tenant, corpus }))?.corpusId !== corpusId) return false;
    const must = [
      { key: 'kind', match: { value: 'corpus' } },
      { key: 'tenant', match: { value: tenant } },
      { key: 'corpus', match: { value: corpus } },
      { key: 'corpus_id', match: { value: corpusId } },
    ];
    await this.inCollection(() => this.connection.deleteWhere(CORPORA_COLLECTION, { must }));
    return true;
  }

  /**
   * Points the corpus' alias at the promoted version, once its collection is there. Of two changes of the record at once the earlier may set its alias last,
   * so the record is looked at again.
   */
  async followPromotion(record: CorpusRecord): Promise<void> {
    let promoted = promotedCollection(record);
    for (;;) {
      await this.connection.pointAlias(passagesAlias(record), promoted);
      const found = await this.find(record);
      const now = found === undefined ? promoted : promotedCollection(found);
      if (now === promoted) return;
      promoted = now;
    }
  }

  /** A conditional write does not say whether it was held back: the write's own id, read back, does. */
  private async write(record: CorpusRecord, send: (payload: QdrantPoint['payload']) => Promise<void>): Promise<boolean> {
    const { tenant, corpus, corpusId, revision } = record;
    const writeId = randomUUID();
    const payload = {
      kind: 'corpus',
      tenant,
      corpus,
      corpus_id: corpusId,
      revision,
      unsettled: isUnsettled(record),
      write_id: writeId,
      record: JSON.stringify(record),
    };
    await this.inCollection(() => send(payload));
    return (await this.stored(record))?.writeId === writeId;
  }

  private async stored(ref: CorpusRef): Promise<{ record: CorpusRecord; writeId: string } | undefined> {
    const id = corpusPointId(ref);
    const payload = (await this.inCollection(() => this.connection.payloadsById(CORPORA_COLLECTION, [id]))).get(id);
    if (payload === undefined) return undefined;
    const { record, write_id: writeId } = parsed(corpusPayload, payload);
    return { record: JSON.parse(record) as CorpusRecord, writeId };
  }

  /** A server that has lost its data since the collection was made gets another: what was in it is not there. */
  private async inCollection<T>(work: () => Promise<T>): Promise<T> {
    await this.collection();
    const made = this.ready;
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RerankError) || error.code !== 'corpus_not_found') throw error;
      if (this.ready === made) this.ready = undefined;
      await this.collection();
      return await work();
    }
  }

  /** Makes the collection once a connection; after a failure it is tried again. */
  private collection(): Promise<void> {
    this.ready ??= this.createCollection().catch((error: unknown) => {
      this.ready = undefined;
      throw error;
    });
    return this.ready;
  }

  private async createCollection(): Promise<void> {
    await this.connection.createCollection(CORPORA_COLLECTION);
    await this.connection.createIndexes(CORPORA_COLLECTION, FIELDS);
  }
}

function promotedCollection({ tenant, corpus, corpusId, promotedVersion }: CorpusRecord): string {
  return passagesCollection({ tenant, corpus, corpusId, version: promotedVersion });
}
