import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedStores, type EmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { direction, indexed, passage, sparse, versionOf } from './store-fixtures.js';

const version = versionOf('shared');

let directory: string;
let stores: EmbeddedStores;
let children: ChildProcess[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-processes-'));
  stores = openEmbeddedStores({ directory });
  children = [];
  await stores.candidateStore.createVersion(version);
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all([stores.candidateStore.close(), stores.documentStore.close()]);
  rmSync(directory, { recursive: true, force: true });
});

function start(role: string, name: number, count: number): ChildProcess {
  const child = fork(join(import.meta.dirname, 'embedded-child.ts'), [role, directory, String(name), String(count)], { execArgv: [] });
  children.push(child);
  return child;
}

async function ended(child: ChildProcess): Promise<unknown> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

async function passagesWith(term: number): Promise<number> {
  return (await stores.candidateStore.retrieve(version, { mode: 'sparse', sparse: sparse({ [term]: 1 }), limit: 10 })).length;
}

describe('two processes and more on one state directory', () => {
  test('a search sees each write of other processes that was durable before it began', { timeout: 60_000 }, async () => {
    const seen: Promise<number>[] = [];
    const writers = [1, 2].map((name) => start('write', name, 60));
    for (const writer of writers) writer.on('message', (term: number) => seen.push(passagesWith(term)));
    expect(await Promise.all(writers.map(ended))).toEqual([0, 0]);
    expect(await Promise.all(seen)).toEqual(Array.from({ length: 120 }, () => 3));
    expect(await stores.candidateStore.countPassages(version, {})).toBe(360);
    expect(await stores.candidateStore.countPassages(version)).toBe(360);
  });

  test('of writes to one document the highest seq wins, whoever wrote it', { timeout: 60_000 }, async () => {
    expect(await Promise.all([start('rewrite', 0, 80), start('rewrite', 1, 80)].map(ended))).toEqual([0, 0]);
    expect(await stores.candidateStore.countPassages(version)).toBe(1);
    // The writers' last are 160 and 161.
    expect(await passagesWith(100_080)).toBe(1);
  });

  test('restamps, writes and deletes of one document end with the highest seq, whoever made them', { timeout: 60_000 }, async () => {
    expect(await Promise.all([start('stamp', 0, 85), start('stamp', 1, 85)].map(ended))).toEqual([0, 0]);
    expect(await stores.candidateStore.documentSeqs(version, ['same'])).toEqual(new Map([['same', 171]]));
    expect(await passagesWith(7)).toBe(2);
    expect(await stores.candidateStore.countPassages(version)).toBe(2);
    expect(await Promise.all([start('stamp', 2, 90), start('stamp', 3, 90)].map(ended))).toEqual([0, 0]);
    // The last that each of them does is a delete.
    expect(await stores.candidateStore.documentSeqs(version, ['same'])).toEqual(new Map([['same', 183]]));
    expect(await passagesWith(7)).toBe(0);
  });

  test('a writer that is killed loses nothing it was told is durable, and leaves no half document', { timeout: 60_000 }, async () => {
    const victim = start('write', 3, 100_000);
    const durable: number[] = [];
    await new Promise<void>((resolve) => {
      victim.on('message', (term: number) => {
        durable.push(term);
        if (durable.length === 40) victim.kill('SIGKILL');
      });
      victim.on('exit', () => resolve());
    });
    for (const term of durable) expect(await passagesWith(term)).toBe(3);
    const left = await stores.candidateStore.countPassages(version, {});
    expect(left % 3).toBe(0);
    expect(left).toBeGreaterThanOrEqual(durable.length * 3);
    await stores.candidateStore.writeDocuments(version, [indexed('after', 1, [passage(0, 0, { 9: 1 })])]);
    expect(await passagesWith(9)).toBe(1);
    const again = openEmbeddedStores({ directory });
    expect(await again.candidateStore.retrieve(version, { mode: 'dense', dense: direction(0), limit: 1000 })).toHaveLength(left + 1);
    await Promise.all([again.candidateStore.close(), again.documentStore.close()]);
  });

  test(
    'processes that start together on an empty directory all open it, and one of them creates a corpus',
    { timeout: 60_000 },
    async () => {
      await Promise.all([stores.candidateStore.close(), stores.documentStore.close()]);
      rmSync(directory, { recursive: true, force: true });
      const created: boolean[] = [];
      const starters = [1, 2, 3, 4].map((name) => start('create', name, 1));
      for (const starter of starters) starter.on('message', (won: boolean) => created.push(won));
      expect(await Promise.all(starters.map(ended))).toEqual([0, 0, 0, 0]);
      expect(created.sort()).toEqual([false, false, false, true]);
    },
  );
});
