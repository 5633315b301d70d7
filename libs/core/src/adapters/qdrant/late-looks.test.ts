import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InvariantError, RerankError } from '../../errors/index.js';
import { LateLooks, type Look } from './late-looks.js';

const AWAY = new RerankError('candidate_store_unavailable', 'away');
const GONE = new RerankError('corpus_not_found', 'gone');

let now: number;
let looks: { at: number; collection: string; ids: readonly string[] }[];
let fault: Error | undefined;

const look: Look = (collection, ids) => {
  looks.push({ at: Date.now() - now, collection, ids });
  return fault === undefined ? Promise.resolve() : Promise.reject(fault);
};
const ids = (): string[][] => looks.map((each) => [...each.ids]);
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  now = Date.now();
  looks = [];
  fault = undefined;
});
afterEach(() => {
  vi.useRealTimers();
});

describe('LateLooks', () => {
  it('looks at a document after each delay, and then no more', async () => {
    new LateLooks(look, { looksMs: [10, 50] }).begin('c', ['d']);
    await pass(1_000);
    expect(looks).toEqual([
      { at: 10, collection: 'c', ids: ['d'] },
      { at: 50, collection: 'c', ids: ['d'] },
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('looks again and again while the server is away, and no more when it answered', async () => {
    fault = AWAY;
    new LateLooks(look, { looksMs: [10] }).begin('c', ['d']);
    await pass(35);
    fault = undefined;
    await pass(1_000);
    expect(looks.map(({ at }) => at)).toEqual([10, 20, 30, 40]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['the collection is gone', GONE],
    ['the server refuses the request', new InvariantError('Qdrant refused a request with status 400.')],
  ])('ends where %s', async (_, refused) => {
    fault = refused;
    const late = new LateLooks(look, { looksMs: [10] });
    for (let write = 0; write < 10; write += 1) late.begin('c', ['d']);
    await pass(1_000);
    expect(looks.length).toBeLessThanOrEqual(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('names the documents of a collection together, however many writes nobody heard of', async () => {
    fault = AWAY;
    const late = new LateLooks(look, { looksMs: [10] });
    for (let write = 0; write < 500; write += 1) late.begin('c', [`d${String(write % 3)}`]);
    late.begin('other', ['d0']);
    expect(vi.getTimerCount()).toBe(2);
    await pass(20);
    const ofC = looks.filter(({ collection }) => collection === 'c');
    expect(ofC).toHaveLength(2);
    expect([...(ofC[1]?.ids ?? [])].sort()).toEqual(['d0', 'd1', 'd2']);
  });

  it('never looks at a document before its delay has passed since the last write', async () => {
    const late = new LateLooks(look, { looksMs: [10] });
    late.begin('c', ['early']);
    await pass(9);
    late.begin('c', ['early', 'late']);
    await pass(1_000);
    expect(looks).toEqual([
      { at: 10, collection: 'c', ids: ['early'] },
      { at: 20, collection: 'c', ids: ['early', 'late'] },
    ]);
  });

  it('names a hundred documents a request, and those again that were not looked at', async () => {
    const all = Array.from({ length: 250 }, (_, n) => `d${String(n)}`);
    const late = new LateLooks(
      async (collection, named) => {
        await look(collection, named);
        if (looks.length === 2) throw AWAY;
      },
      { looksMs: [10] },
    );
    late.begin('c', all);
    await pass(1_000);
    expect(ids()).toEqual([all.slice(0, 100), all.slice(100, 200), all.slice(100, 200), all.slice(200)]);
  });

  it('leaves a document to its next write where too many wait: the one that has waited longest', async () => {
    fault = AWAY;
    const late = new LateLooks(look, { looksMs: [10], maxWaiting: 2 });
    late.begin('c', ['a', 'b']);
    await pass(5);
    late.begin('c', ['x']);
    await pass(5);
    await pass(10);
    expect(ids()).toEqual([
      ['a', 'b'],
      ['b', 'x'],
    ]);
  });

  it('looks no more when it is closed, also where a look is under way', async () => {
    let fail = (): void => undefined;
    const late = new LateLooks(
      async (collection, named) => {
        await look(collection, named);
        await new Promise((_, reject) => (fail = () => reject(AWAY)));
      },
      { looksMs: [10] },
    );
    late.begin('c', ['d']);
    await pass(10);
    late.close();
    fail();
    late.begin('c', ['d']);
    await pass(1_000);
    expect(looks).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
