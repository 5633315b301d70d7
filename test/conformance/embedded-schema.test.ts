import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CandidateReads } from '@rerank-fleet/core/adapters/embedded/candidate-reads';
import { EmbeddedDatabase } from '@rerank-fleet/core/adapters/embedded/embedded-database';
import { openEmbeddedStores, type EmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { createStoreOperations } from '@rerank-fleet/core/adapters/embedded/store-operations';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeSchema1 } from './schema-1.js';
import { direction, indexed, passage, recordOf, stored, tenDocuments, versionOf, widerVersionOf } from './store-fixtures.js';

const version = versionOf('shared');
const dense = { mode: 'dense', dense: direction(0), limit: 50 } as const;

let directory: string;
let opened: EmbeddedStores[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-schema-'));
  opened = [];
});

afterEach(async () => {
  await Promise.all(opened.flatMap(({ candidateStore, documentStore }) => [candidateStore.close(), documentStore.close()]));
  rmSync(directory, { recursive: true, force: true });
});

function open(): EmbeddedStores {
  const stores = openEmbeddedStores({ directory });
  opened.push(stores);
  return stores;
}

function raw<T>(work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(join(directory, 'embedded.sqlite'));
  try {
    return work(database);
  } finally {
    database.close();
  }
}

const firstRelease = () =>
  writeSchema1(directory, { tenant: version.tenant, documents: [stored('d0', 1), stored('d1', 1)], indexed: tenDocuments() });

/** Tables, columns and indexes, however they came to be. */
function structure(): unknown {
  return raw((database) => {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'index') ORDER BY name").all();
    return tables.map(({ name }) => ({
      name,
      columns: database.prepare(`SELECT name, type, "notnull", pk FROM pragma_table_info('${String(name)}') ORDER BY name`).all(),
      indexed: database.prepare(`SELECT name FROM pragma_index_info('${String(name)}') ORDER BY seqno`).all(),
    }));
  });
}

describe('a file of the first release', () => {
  test('is taken over with all that is in it, and its structure is that of a new one', async () => {
    firstRelease();
    const { candidateStore, documentStore } = open();
    expect(await candidateStore.retrieve(version, dense)).toHaveLength(10);
    expect(await candidateStore.countDocuments(version)).toBe(10);
    expect(await candidateStore.documentSeqs(version, ['d0', 'never'])).toEqual(new Map([['d0', 1]]));
    expect(await documentStore.findCorpus(version)).toEqual(recordOf(version));
    expect(await documentStore.countDocuments(version)).toBe(2);
    const migrated = structure();
    rmSync(directory, { recursive: true });
    open();
    expect(migrated).toEqual(structure());
  });

  test('its documents tell no content: sent again they are written again, and after that no more', async () => {
    firstRelease();
    const { candidateStore } = open();
    const again = (seq: number) => tenDocuments(seq).map(({ documentId, contentHash }) => ({ documentId, contentHash, seq }));
    expect(await candidateStore.restampDocuments(version, again(1))).toEqual(new Set());
    expect(await candidateStore.restampDocuments(version, again(2))).toEqual(new Set());
    await candidateStore.writeDocuments(version, tenDocuments(2));
    expect((await candidateStore.restampDocuments(version, again(3))).size).toBe(10);
    expect(await candidateStore.retrieve(version, dense)).toHaveLength(10);
  });

  test('is taken over once by processes that open it together', { timeout: 60_000 }, async () => {
    firstRelease();
    const children = [1, 2, 3].map((name) =>
      fork(join(import.meta.dirname, 'embedded-child.ts'), ['write', directory, String(name), '5'], { execArgv: [] }),
    );
    const codes = await Promise.all(children.map((child) => once(child, 'exit').then(([code]: unknown[]) => code)));
    expect(codes).toEqual([0, 0, 0]);
    const { candidateStore } = open();
    expect(await candidateStore.countDocuments(version)).toBe(25);
    expect(raw((database) => database.prepare('PRAGMA user_version').get())).toEqual({ user_version: 4 });
  });
});

/** Keeps the statements that were run. */
class NotingDatabase extends EmbeddedDatabase {
  readonly noted = new Set<string>();

  override statement(sql: string): ReturnType<EmbeddedDatabase['statement']> {
    this.noted.add(sql);
    return super.statement(sql);
  }
}

describe('statements of the embedded store', () => {
  test('find their rows by an index, however many documents and versions there are', () => {
    const database = new NotingDatabase({ directory });
    const operations = createStoreOperations(database);
    operations.createCorpus(recordOf(version));
    operations.createVersion(version);
    operations.writeDocuments(version, tenDocuments());
    operations.restampDocuments(
      version,
      tenDocuments(2).map(({ documentId, contentHash, seq }) => ({ documentId, contentHash, seq })),
    );
    operations.deleteIndexed(version, ['d1'], 3);
    operations.indexedSeqs(version, ['d0', 'never']);
    operations.countIndexed(version);
    operations.countPassages(version);
    operations.retrieve(version, dense);
    operations.prepare();
    operations.putDocuments(version, [stored('a', 1)]);
    operations.buryDocuments(version, ['a'], 2);
    operations.scanDocuments(version, { limit: 5 });
    operations.countDocuments(version);
    operations.countDeleted(version, 2);
    operations.purgeTombstones(version, 9);
    operations.beginDelete({ ...version, id: 'x', seq: 9, documentIds: ['a'], begunAt: 0 });
    operations.endDelete('x');
    operations.updateCorpus({ ...recordOf(version), revision: 2 });
    operations.dropVersion(version);
    operations.deleteCorpus(version);
    database.close();
    expect(database.noted.size).toBeGreaterThan(20);
    const scans = raw((plain) =>
      [...database.noted].flatMap((sql) =>
        plain
          .prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .all()
          .map(({ detail }) => String(detail))
          .filter((detail) => /\bSCAN\b|TEMP B-TREE/.test(detail) && !detail.startsWith('SCAN CONSTANT ROW'))
          .map((detail) => `${detail} in ${sql}`),
      ),
    );
    expect(scans).toEqual([]);
  });
});

describe('versions held in memory', () => {
  /** Vectors that the file no longer has: who finds by them has them in memory. */
  const forgetVectors = () => raw((database) => database.exec('UPDATE passages SET dense = zeroblob(length(dense))'));
  const next = widerVersionOf(version.tenant, 2);
  const search = { mode: 'dense', dense: direction(0, 6), limit: 10 } as const;

  test('a later version of a corpus that is searched is loaded in steps before anybody asks for it', () => {
    const database = new EmbeddedDatabase({ directory });
    const operations = createStoreOperations(database);
    for (const made of [version, next, { ...next, corpus: 'another' }]) operations.createVersion(made);
    operations.writeDocuments(version, tenDocuments());
    const many = Array.from({ length: 700 }, (_, n) =>
      indexed(`n${String(n)}`, 1, [{ ...passage(0, 0, {}), dense: direction(n / 10, 6) }]),
    );
    operations.writeDocuments(next, many);
    const reads = new CandidateReads(database);
    expect(reads.prepare()).toBe(false);
    reads.retrieve(version, dense);
    expect([reads.prepare(), reads.prepare(), reads.prepare()]).toEqual([true, true, false]);
    operations.writeDocuments(next, [indexed('late', 2, [{ ...passage(0, 0, {}), dense: direction(0.05, 6) }])]);
    expect(reads.prepare()).toBe(false);
    forgetVectors();
    const found = reads.retrieve(next, search);
    expect(found.slice(0, 3).map(({ documentId }) => documentId)).toEqual(['n0', 'late', 'n1']);
    expect(found[2]!.firstStage.score).toBeCloseTo(Math.cos((0.1 * Math.PI) / 180), 5);
    operations.dropVersion(version);
    operations.dropVersion(next);
    expect(() => reads.retrieve(next, search)).toThrow(/corpus_not_found/);
    database.close();
  });

  test('in the store’s own thread too, while it has nothing else to do', { timeout: 60_000 }, async () => {
    const { candidateStore } = open();
    for (const made of [version, next]) await candidateStore.createVersion(made);
    await candidateStore.writeDocuments(version, tenDocuments());
    const many = Array.from({ length: 600 }, (_, n) =>
      indexed(`n${String(n)}`, 1, [{ ...passage(0, 0, {}), dense: direction(n / 10, 6) }]),
    );
    await candidateStore.writeDocuments(next, many);
    // Each search lets the thread go on with at least one step before the next that is asked after its answer.
    for (let n = 0; n < 20; n += 1) {
      await candidateStore.retrieve(version, dense);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    forgetVectors();
    const [best] = await candidateStore.retrieve(next, search);
    expect(best).toMatchObject({ documentId: 'n0', firstStage: { rank: 1 } });
    expect(best!.firstStage.score).toBeCloseTo(1, 5);
  });
});
