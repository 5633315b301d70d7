import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { corpusRecord } from '../support/fleet-fixtures.js';
import { MemoryQdrant } from './memory-qdrant.ts';

const RECORD = corpusRecord({ tenant: 'default', corpus: 'manuals' });
const TIMEOUT_MS = 200;

let qdrant: MemoryQdrant;
let stores: ReturnType<typeof openQdrantStores>;

beforeEach(async () => {
  qdrant = await MemoryQdrant.start();
  stores = openQdrantStores({ url: qdrant.url, timeoutMs: TIMEOUT_MS });
  await stores.documentStore.createCorpus(RECORD);
});
afterEach(() => qdrant.stop());

const find = () => stores.documentStore.findCorpus(RECORD);

describe('MemoryQdrant', () => {
  it('keeps what the adapter stores', async () => {
    expect(await find()).toMatchObject({ corpusId: RECORD.corpusId });
    expect(qdrant.collectionNames()).toContain('rf_corpora');
  });

  it('does what is late after what others asked since, though its sender has given it up', async () => {
    const pending = { ...RECORD, id: 'late', seq: 1, documentIds: ['d'], begunAt: 1 };
    await find();
    qdrant.link.enter({ kind: 'late' });
    await expect(stores.documentStore.beginDelete(pending)).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
    const other = openQdrantStores({ url: qdrant.url, timeoutMs: 10_000 }).documentStore;
    await other.endDelete(pending);
    expect(await other.listPendingDeletes()).toEqual([]);
    qdrant.link.enter({ kind: 'open' });
    await expect.poll(() => other.listPendingDeletes(), { timeout: 10_000 }).toMatchObject([{ id: 'late' }]);
  });

  it.each(['cut', 'blackhole', 'half-open'] as const)(
    'is away for the adapter while its line is %s, and has lost nothing after',
    async (kind) => {
      await find();
      qdrant.link.enter({ kind });
      await expect(find()).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
      qdrant.link.enter({ kind: 'open' });
      await expect.poll(() => find().catch(() => undefined), { timeout: 10_000 }).toMatchObject({ corpusId: RECORD.corpusId });
    },
  );
});
