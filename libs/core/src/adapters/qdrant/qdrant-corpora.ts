import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { isUnsettled, type Condition, type CorpusRecord, type CorpusRef, type CorpusVersion } from '../../domain/index.js';
import { nameBasedId } from '../../retrieval/index.js';
import { CORPORA_COLLECTION, passagesAlias, passagesCollection } from './collection-names.js';
import { parsed, type QdrantConnection } from './qdrant-connection.js';

/** The record itself is JSON text: it is only ever read whole. */
const corpusPayload = z.object({ record: z.string(), write_id: z.string() });
const versionPayload = z.object({ corpus_id: z.string() });

const FIELDS = { kind: 'keyword', tenant: 'keyword', corpus_id: 'keyword', revision: 'integer', unsettled: 'bool' } as const;
const PAGE = 256;

function corpusPointId({ tenant, corpus }: CorpusRef): string {
  return nameBasedId(JSON.stringify(['corpus', tenant, corpus]));
}

function versionPointId({ tenant, corpus, version }: CorpusVersion): string {
  return nameBasedId(JSON.stringify(['version', tenant, corpus, version]));
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

  private async scan(condition: Condition): Promise<CorpusRecord[]> {
    await this.collection();
    const filter = { must: [{ key: 'kind', match: { value: 'corpus' } }, condition] };
    const records: CorpusRecord[] = [];
    let after: string | undefined;
    do {
      const page = await this.connection.scroll(CORPORA_COLLECTION, { filter, limit: PAGE, ...(after === undefined ? {} : { after }) });
      records.push(...page.payloads.map((payload) => JSON.parse(parsed(corpusPayload, payload).record) as CorpusRecord));
      after = page.next;
    } while (after !== undefined);
    return records;
  }

  /** Resolves to false if there is one of that name. */
  async create(record: CorpusRecord): Promise<boolean> {
    return this.write(record, { insertOnly: true });
  }

  /** Resolves to false if the stored record is not the one before this. */
  async replace(record: CorpusRecord): Promise<boolean> {
    const before = await this.find(record);
    // A condition holds back nothing where there is no point: a deleted corpus would come back.
    if (before?.revision !== record.revision - 1 || before.corpusId !== record.corpusId) return false;
    const must = [
      { key: 'corpus_id', match: { value: record.corpusId } },
      { key: 'revision', match: { value: record.revision - 1 } },
    ];
    return this.write(record, { onlyOver: { must } });
  }

  async delete(ref: CorpusRef): Promise<boolean> {
    if ((await this.find(ref)) === undefined) return false;
    await this.connection.deletePoints(CORPORA_COLLECTION, [corpusPointId(ref)]);
    await this.connection.dropAlias(passagesAlias(ref));
    return true;
  }

  /**
   * Points the corpus' alias at the promoted version, once its collection is there. Of two changes of the record at once the earlier may set its alias last,
   * so the record is looked at again.
   */
  async followPromotion(record: CorpusRecord): Promise<void> {
    const ref = { tenant: record.tenant, corpus: record.corpus };
    let promoted = record.promotedVersion;
    for (;;) {
      await this.connection.pointAlias(passagesAlias(ref), passagesCollection({ ...ref, version: promoted }));
      const now = (await this.find(ref))?.promotedVersion ?? promoted;
      if (now === promoted) return;
      promoted = now;
    }
  }

  /** The incarnation of the corpus that the version's collection was made for; undefined if none was. */
  async incarnationOf(version: CorpusVersion): Promise<string | undefined> {
    await this.collection();
    const found = await this.connection.payloadsById(CORPORA_COLLECTION, [versionPointId(version)], ['corpus_id']);
    const payload = found.get(versionPointId(version));
    return payload === undefined ? undefined : parsed(versionPayload, payload).corpus_id;
  }

  async claimVersion(version: CorpusVersion): Promise<void> {
    const { tenant, corpus, corpusId } = version;
    const payload = { kind: 'version', tenant, corpus, corpus_id: corpusId, version: version.version };
    await this.connection.upsert(CORPORA_COLLECTION, [{ id: versionPointId(version), vector: {}, payload }], {});
  }

  async releaseVersion(version: CorpusVersion): Promise<void> {
    await this.connection.deletePoints(CORPORA_COLLECTION, [versionPointId(version)]);
  }

  /** A conditional write does not say whether it was held back: the write's own id, read back, does. */
  private async write(record: CorpusRecord, condition: Parameters<QdrantConnection['upsert']>[2]): Promise<boolean> {
    await this.collection();
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
    await this.connection.upsert(CORPORA_COLLECTION, [{ id: corpusPointId(record), vector: {}, payload }], condition);
    return (await this.stored(record))?.writeId === writeId;
  }

  private async stored(ref: CorpusRef): Promise<{ record: CorpusRecord; writeId: string } | undefined> {
    await this.collection();
    const payload = (await this.connection.payloadsById(CORPORA_COLLECTION, [corpusPointId(ref)])).get(corpusPointId(ref));
    if (payload === undefined) return undefined;
    const { record, write_id: writeId } = parsed(corpusPayload, payload);
    return { record: JSON.parse(record) as CorpusRecord, writeId };
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
