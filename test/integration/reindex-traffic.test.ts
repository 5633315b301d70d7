import type { SearchOutcome } from '@rerank-fleet/core/contracts';
import { promotedVersion } from '@rerank-fleet/core/corpora';
import type { CorpusVersion, Document } from '@rerank-fleet/core/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentsFor, expectSameIndex, ReindexRig } from './reindex-support.js';

const CORPUS = 'busy';
const WHOLE = { mode: 'none', max_tokens: 256, overlap_tokens: 0 } as const;
const SHORT = { mode: 'sentences', max_tokens: 16, overlap_tokens: 0 } as const;
const ANCHORS = 6;

let rig: ReindexRig;
beforeAll(async () => {
  rig = await ReindexRig.start();
});
afterAll(() => rig.stop());

/** One of those that are written over and over: found by a word that no other has, and of several passages where passages are short. */
function anchor(number: number, revision: number): Document {
  const text = Array.from({ length: 4 }, (_, line) => `anchor${number} apple tree garden fruit pie sugar oven stock line ${line}`).join(
    '. ',
  );
  return { id: `anchor-${number}`, text: `${text}.`, metadata: { revision } };
}

/** What clients did and saw, and what they must see from then on. */
class Traffic {
  readonly live = new Map<string, Document>();
  readonly seenBy = new Map<number, number>();
  readonly #written = new Map<number, number>();
  readonly #deleted = new Set<string>();
  readonly #seen = new Map<number, number>();
  #going = true;
  writes = 0;
  searches = 0;

  stop(): void {
    this.#going = false;
  }

  /** Resolves when some more has been written and read. */
  async goesOn(): Promise<void> {
    const { writes, searches } = this;
    const isEnough = (): boolean => this.writes >= writes + ANCHORS / 2 && this.searches >= searches + 2 * ANCHORS;
    await expect.poll(isEnough, { timeout: 30_000, interval: 5 }).toBe(true);
  }

  async write(): Promise<void> {
    for (let revision = 1; this.#going; revision += 1) {
      const number = revision % ANCHORS;
      const fresh = documentsFor(2, 1_000 + 2 * revision);
      const documents = [anchor(number, revision), ...fresh];
      await rig.upload(CORPUS, documents);
      this.#written.set(number, revision);
      for (const document of documents) this.live.set(document.id, document);
      this.writes += 1;
    }
  }

  async remove(): Promise<void> {
    while (this.#going) {
      const [id] = [...this.live.keys()].filter((key) => !key.startsWith('anchor'));
      if (id === undefined) return;
      await rig.deleteDocuments(CORPUS, [id]);
      this.live.delete(id);
      this.#deleted.add(id);
    }
  }

  async read(): Promise<void> {
    while (this.#going) {
      const number = this.searches % ANCHORS;
      const least = Math.max(this.#written.get(number) ?? 0, this.#seen.get(number) ?? 0);
      const deleted = new Set(this.#deleted);
      const version = promotedVersion(await rig.record(CORPUS));
      const outcome = await rig.search(CORPUS, `anchor${number}`, version);
      this.searches += 1;
      this.seenBy.set(version.version, (this.seenBy.get(version.version) ?? 0) + 1);
      this.#check(outcome, version, { number, least, deleted });
    }
  }

  #check(
    { results }: SearchOutcome,
    version: CorpusVersion,
    { number, least, deleted }: { readonly number: number; readonly least: number; readonly deleted: ReadonlySet<string> },
  ): void {
    const found = results.find(({ document_id: id }) => id === `anchor-${number}`);
    const revision = found?.metadata?.['revision'] as number | undefined;
    // No gap: it is always there, as it was last acknowledged, and never as it was before it was last seen.
    expect(revision).toBeGreaterThanOrEqual(least);
    this.#seen.set(number, Math.max(revision!, this.#seen.get(number) ?? 0));
    for (const { document_id: id, passage } of results) {
      expect(deleted).not.toContain(id);
      // No mix: what this version finds was cut as this version cuts.
      if (id.startsWith('anchor')) expect(passage.text === anchor(Number(id.slice(7)), 0).text).toBe(version.chunking.mode === 'none');
    }
  }
}

describe('writers, deleters and readers of a corpus', () => {
  it('notice nothing of a reindex, its promotion and its rollback: no error, no gap, no mix, nothing that comes back', async () => {
    const traffic = new Traffic();
    const first = [...documentsFor(90), ...Array.from({ length: ANCHORS }, (_, number) => anchor(number, 0))];
    await rig.makeCorpus(CORPUS, first, { chunking: WHOLE });
    for (const document of first) traffic.live.set(document.id, document);
    const keeper = rig.keeper();
    const clients = Promise.all([traffic.write(), traffic.remove(), traffic.read(), traffic.read()]);
    const meanwhile = (): Promise<unknown> => Promise.race([clients, traffic.goesOn()]);
    await meanwhile();
    const id = await rig.start(CORPUS, { embedding_model: rig.embedderNames[1], chunking: SHORT, requests_per_second: 20 }, keeper);
    await meanwhile();
    expect(await rig.reindex(CORPUS, id)).toMatchObject({ status: 'building' });
    await rig.control(CORPUS, id, { kind: 'rethrottle', requests_per_second: null }, keeper);
    const reindex = await Promise.race([clients, rig.until(CORPUS, id, ['completed', 'failed'])]);
    expect(reindex).toMatchObject({ status: 'completed', failed: 0, validation: { failures: [] } });
    await meanwhile();
    await rig.control(CORPUS, id, { kind: 'rollback' }, keeper);
    await meanwhile();
    traffic.stop();
    await clients;
    expect([...traffic.seenBy.keys()].sort()).toEqual([1, 2]);
    // Both versions are what the acknowledged writes amount to.
    for (const [version, settings] of [
      [1, { chunking: WHOLE }],
      [2, { chunking: SHORT, embedding_model: rig.embedderNames[1] }],
    ] as const) {
      const name = `wanted-${version}`;
      await rig.makeCorpus(name, [...traffic.live.values()], settings);
      const dump = (corpus: string, number: number) =>
        rig.record(corpus).then(({ versions }) => {
          const rows = rig.dump(versions.find((candidate) => candidate.version === number)!);
          return rows.map((row) => ({ ...row, seq: 0 }));
        });
      expectSameIndex(await dump(CORPUS, version), await dump(name, 1));
    }
  });
});
