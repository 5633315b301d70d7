import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import type { CorpusVersion } from '@rerank-fleet/core/domain';
import type { CandidateStore } from '@rerank-fleet/core/ports';
import { passageId } from '@rerank-fleet/core/retrieval';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { describeWithRecording } from '../support/qdrant-replay-recording.js';
import { startReplayServer, type ReplayServer } from '../support/qdrant-replay-server.js';
import { contents, hashOf, lettered } from './describe-stamps.js';
import { versionOf } from './store-fixtures.js';

/** The document that two writes meet on. */
interface Place {
  readonly version: CorpusVersion;
  readonly id: string;
}

/** A write of one document, as a worker does it. Repeating it is no error. */
interface Step {
  readonly name: string;
  readonly seq: number;
  /** What stands once it has come through and nothing of a higher seq has. */
  readonly text: string | undefined;
  run(place: Place): Promise<unknown>;
}

const PASSAGES = { A: 4, B: 2, C: 6 } as const;
type Letter = keyof typeof PASSAGES;

function textOf(content: Letter): string {
  return Array.from({ length: PASSAGES[content] }, (_, n) => `${content}${String(n)}`).join(' ');
}

/** What a document is before two steps meet. */
const BEFORE: readonly (Letter | undefined)[] = [undefined, 'A', 'B'];

describeWithRecording('writes on Qdrant that meet at any request', () => {
  let server: ReplayServer;
  let store: CandidateStore;
  let version: CorpusVersion;
  let places = 0;
  beforeAll(async () => {
    server = await startReplayServer();
    store = openQdrantStores({ url: server.url, timeoutMs: 5_000 }).candidateStore;
  });
  beforeEach(async ({ task }) => {
    version = versionOf(task.id.replaceAll(/\W/g, '-'));
    await store.createVersion(version);
  });
  afterEach(() => {
    server.intercept = undefined;
    expect(server.objections).toEqual([]);
  });
  afterAll(() => server.close());

  const write = (content: Letter, seq: number): Step => ({
    name: `write ${content} at ${String(seq)}`,
    seq,
    text: textOf(content),
    run: ({ version: of, id }) => store.writeDocuments(of, [lettered(id, seq, content, PASSAGES[content])]),
  });
  const bring = (content: Letter, seq: number): Step => ({
    ...write(content, seq),
    name: `restamp ${content} at ${String(seq)}, or write it`,
    run: async (place) => {
      const stamped = await store.restampDocuments(place.version, [{ documentId: place.id, seq, contentHash: hashOf(content) }]);
      if (!stamped.has(place.id)) await write(content, seq).run(place);
    },
  });
  const remove = (seq: number): Step => ({
    name: `delete at ${String(seq)}`,
    seq,
    text: undefined,
    run: ({ version: of, id }) => store.deleteDocuments(of, [id], seq),
  });
  const steps = (seq: number): Step[] => [write('A', seq), write('C', seq), bring('A', seq), bring('B', seq), remove(seq)];

  async function placeWith(before: Letter | undefined): Promise<Place> {
    places += 1;
    const place = { version, id: `d${String(places)}` };
    if (before !== undefined) await write(before, 1).run(place);
    return place;
  }

  /** Runs `during` before the request of `step` with that number; resolves to whether it came to that request. */
  async function meet(place: Place, step: Step, at: number, during: () => Promise<unknown>): Promise<boolean> {
    let requests = 0;
    let isReached = false;
    server.intercept = async () => {
      if (requests++ !== at) return undefined;
      isReached = true;
      const own = server.intercept;
      server.intercept = undefined;
      await during();
      server.intercept = own;
      return undefined;
    };
    await step.run(place);
    server.intercept = undefined;
    return isReached;
  }

  async function expectStands({ id }: Place, { seq, text }: Step, how: string): Promise<void> {
    const filed = (await store.documentSeqs(version, [id])).get(id);
    expect({ how, text: (await contents(store, version))[id], seq: filed }).toEqual({ how, text, seq });
  }

  /** A point that is in no search, and no tombstone, would have been left behind. */
  async function expectNothingElse(): Promise<void> {
    const found = Object.values(await contents(store, version)).flatMap((text) => text.split(' '));
    expect(await store.countPassages(version)).toBe(found.length);
  }

  const pairs = steps(5).flatMap((slower) => steps(6).map((faster) => [slower, faster] as const));

  test.each(pairs.map(([slower, faster]) => [slower.name, faster.name, slower, faster] as const))(
    '%s and %s: the higher seq stands, whichever comes between the requests of the other',
    async (_, __, slower, faster) => {
      for (const before of BEFORE) {
        for (const [outer, inner] of [
          [slower, faster],
          [faster, slower],
        ] as const) {
          for (let at = 0, isReached = true; isReached; at += 1) {
            const place = await placeWith(before);
            isReached = await meet(place, outer, at, () => inner.run(place));
            if (!isReached) await inner.run(place);
            await expectStands(place, faster, `${inner.name} before request ${String(at)} of ${outer.name}, over ${before ?? 'nothing'}`);
          }
        }
      }
      await expectNothingElse();
    },
  );

  test.each(steps(5).map((step) => [step.name, step] as const))(
    '%s, cut short at any request, is made good by a repeat',
    async (_, step) => {
      for (const before of BEFORE) {
        for (let at = 0, isReached = true; isReached; at += 1) {
          const place = await placeWith(before);
          let requests = 0;
          isReached = false;
          server.intercept = () => {
            if (requests++ < at) return undefined;
            isReached = true;
            return { status: 503, body: { status: { error: 'made up' } } };
          };
          const outcome = await step.run(place).catch((error: unknown) => error);
          server.intercept = undefined;
          if (isReached) expect(outcome).toMatchObject({ code: 'candidate_store_unavailable' });
          // Redelivered, a worker first asks whether the document is there as it should be.
          const again = step.text === undefined ? step : bring(step.text.startsWith('A') ? 'A' : step.text.startsWith('B') ? 'B' : 'C', 5);
          await again.run(place);
          await expectStands(place, step, `cut at request ${String(at)}, over ${before ?? 'nothing'}`);
        }
      }
      await expectNothingElse();
    },
  );

  test('a document that has lost a passage is not taken for whole', async () => {
    const place = await placeWith('A');
    const collection = `${server.url}/collections/rf__${version.tenant}__manuals__${version.corpusId}__v1`;
    const response = await fetch(`${collection}/points/delete?wait=true`, {
      method: 'POST',
      body: JSON.stringify({ points: [passageId(place.id, 2)] }),
    });
    expect(response.status).toBe(200);
    const step = bring('A', 5);
    await step.run(place);
    await expectStands(place, step, 'restamped');
  });
});
