import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedStores, type EmbeddedOptions, type EmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { StoreThread } from '@rerank-fleet/core/adapters/embedded/store-thread-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { direction, indexed, passage, recordOf, stored, tenDocuments, versionOf } from './store-fixtures.js';

const version = versionOf('faults');
const dense = { mode: 'dense', dense: direction(0), limit: 20 } as const;

let directory: string;
let opened: EmbeddedStores[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-faults-'));
  opened = [];
});

afterEach(async () => {
  await closeAll();
  rmSync(directory, { recursive: true, force: true });
});

function open(options: Partial<EmbeddedOptions> = {}): EmbeddedStores {
  const stores = openEmbeddedStores({ directory, ...options });
  opened.push(stores);
  return stores;
}

async function closeAll(): Promise<void> {
  await Promise.all(opened.flatMap(({ candidateStore, documentStore }) => [candidateStore.close(), documentStore.close()]));
  opened = [];
}

async function filled(options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedStores> {
  const stores = open(options);
  await stores.candidateStore.createVersion(version);
  await stores.candidateStore.writeDocuments(version, tenDocuments());
  return stores;
}

const file = () => join(directory, 'embedded.sqlite');

describe('faults of the embedded stores', () => {
  test('a full store refuses the write as storage_full, keeps what it has and goes on when there is room', async () => {
    const { candidateStore } = await filled({ maxBytes: 300_000 });
    const large = Array.from({ length: 400 }, (_, n) =>
      indexed(`large-${String(n)}`, 1, [{ ...passage(0, n, {}), text: 'x'.repeat(2_000) }]),
    );
    await expect(candidateStore.writeDocuments(version, large)).rejects.toMatchObject({
      code: 'storage_full',
      detail: expect.stringContaining('Free space') as string,
    });
    expect(await candidateStore.retrieve(version, dense)).toHaveLength(10);
    await closeAll();
    const roomy = open();
    await roomy.candidateStore.writeDocuments(version, large);
    expect(await roomy.candidateStore.countPassages(version, {})).toBe(410);
  });

  test('a file that is no database is refused with what to do', () => {
    writeFileSync(file(), 'this is no database, whatever its name says. '.repeat(200));
    expect(() => open()).toThrow(/candidate_store_unavailable.*damaged.*move the file away/);
  });

  test('damage inside the file is candidate_store_unavailable, not wrong answers', async () => {
    await filled();
    await closeAll();
    const handle = openSync(file(), 'r+');
    const size = statSync(file()).size;
    writeSync(handle, Buffer.alloc(size - 4096, 0x5a), 0, size - 4096, 4096);
    closeSync(handle);
    const { candidateStore } = open();
    await expect(candidateStore.retrieve(version, dense)).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
  });

  test('a store of a newer release is refused and left as it is', async () => {
    await filled();
    await closeAll();
    const database = new DatabaseSync(file());
    database.exec('PRAGMA user_version = 99');
    expect(() => open()).toThrow(/candidate_store_unavailable.*newer release/);
    expect(database.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 99 });
    database.close();
  });

  test('a folder that cannot be made is candidate_store_unavailable', () => {
    writeFileSync(join(directory, 'taken'), '');
    expect(() => open({ directory: join(directory, 'taken', 'below') })).toThrow(/candidate_store_unavailable/);
  });

  test('a lock that another process never lets go fails the write, not the searches', async () => {
    const { candidateStore } = await filled({ busyTimeoutMs: 100 });
    const other = new DatabaseSync(file());
    other.exec('BEGIN IMMEDIATE');
    const write = candidateStore.writeDocuments(version, [indexed('late', 1, [passage(0, 0, {})])]);
    await expect(write).rejects.toMatchObject({ code: 'candidate_store_unavailable', detail: expect.stringContaining('lock') as string });
    expect(await candidateStore.retrieve(version, dense)).toHaveLength(10);
    other.exec('ROLLBACK');
    other.close();
    await candidateStore.writeDocuments(version, [indexed('late', 1, [passage(0, 0, {})])]);
    expect(await candidateStore.retrieve(version, dense)).toHaveLength(11);
  });

  test('when its thread dies a pending call rejects, and the next call starts another', async () => {
    await filled();
    const thread = new StoreThread({ directory });
    const outcome = thread.call('retrieve', [version, dense]).catch((error: unknown) => error);
    await thread.terminate();
    expect(await outcome).toMatchObject({ code: 'candidate_store_unavailable' });
    expect(await thread.call('retrieve', [version, dense])).toHaveLength(10);
    await thread.terminate();
  });

  test('stores opened read-only see writes of others and make none', async () => {
    const reader = open({ readOnly: true });
    expect(await reader.documentStore.listCorpora('faults')).toEqual([]);
    const writer = await filled();
    await writer.documentStore.createCorpus(recordOf(version));
    await writer.documentStore.putDocuments(version, [stored('a', 1)]);
    expect(await reader.candidateStore.retrieve(version, dense)).toHaveLength(10);
    expect(await reader.documentStore.findDocument(version, 'a')).toEqual(stored('a', 1));
    await expect(reader.documentStore.putDocuments(version, [stored('b', 1)])).rejects.toThrow(/read-only/);
  });

  test('documents of a corpus that is not there are refused', async () => {
    const { documentStore } = open();
    await expect(documentStore.putDocuments(version, [stored('a', 1)])).rejects.toMatchObject({ code: 'corpus_not_found' });
    expect(await documentStore.countDocuments(version)).toBe(0);
    expect((await documentStore.scanDocuments(version, { limit: 5 })).documents).toEqual([]);
  });

  test('a filter that says nothing sensible is invalid_request', async () => {
    const { candidateStore } = await filled();
    const call = candidateStore.countPassages(version, { must: [{ key: 'a b', match: { value: 'x' } }] });
    await expect(call).rejects.toMatchObject({ code: 'invalid_request' });
  });
});
