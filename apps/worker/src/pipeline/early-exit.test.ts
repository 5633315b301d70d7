import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { PairRequest } from '@rerank-fleet/core/ports';
import { RunnerFault, SegmentsNotLoaded, type BatchOutput, type PaddedBatch, type TokenSequence } from './batch-runner.js';
import { BatchScheduler } from './batch-scheduler.js';
import { CachingCrossEncoder } from './caching-cross-encoder.js';
import { EarlyExit, type ExitModel, type ExitObserver } from './early-exit.js';
import { runStages } from './run-stages.js';
import { PairScorer } from './score-pairs.js';
import type { SequenceEncoder } from './sequence-encoder.js';
import { StatePages } from './state-pages.js';

const MODEL: ExitModel = {
  sha256: 'm',
  layers: 12,
  cuts: [3, 6],
  sigmas: [1, 0.5],
  margins: { balanced: [1, 1], fast: [0, 0] },
};

/**
 * A model whose logit is a pair's third token, and which predicts it, off by what `error` says. It keeps what the segments before wrote into the pages, as a thread
 * does, and fails where a page was taken from under a pair.
 */
class SegmentedFake {
  readonly ran: { readonly segment: number | undefined; readonly logits: readonly number[] }[] = [];
  readonly #memory = new Map<number, { readonly logit: number; readonly after: number }>();
  readonly #error: (logit: number, segment: number) => number;
  fault: ((batch: PaddedBatch) => Error | undefined) | undefined;

  constructor(error: (logit: number, segment: number) => number = () => 0) {
    this.#error = error;
  }

  async run(batch: PaddedBatch): Promise<BatchOutput> {
    await sleep(0);
    const fault = this.fault?.(batch);
    if (fault !== undefined) throw fault;
    const logits = this.#logits(batch);
    this.ran.push({ segment: batch.segment, logits });
    const isLast = batch.segment === undefined || batch.segment === MODEL.cuts.length;
    const values = Float32Array.from(logits, (logit) => (isLast ? logit : logit + this.#error(logit, batch.segment)));
    return { values, width: 1, runMs: 1 };
  }

  #logits({ batch, sequence, inputIds, segment, state }: PaddedBatch): number[] {
    let next = 0;
    return Array.from({ length: batch }, (_, row) => {
      if (segment === undefined) return Number(inputIds[row * sequence + 2]);
      const length = state!.lengths[row]!;
      const page = state!.pages[next]!;
      next += Math.ceil(length / 16);
      const before = this.#memory.get(page);
      if (segment > 0 && before?.after !== segment - 1) throw new Error('A page was taken from under a pair.');
      const logit = segment === 0 ? Number(inputIds[row * sequence + 2]) : before!.logit;
      this.#memory.set(page, { logit, after: segment });
      return logit;
    });
  }
}

/** [CLS] query logit [SEP], as long as is asked for. */
function pair(logit: number, length = 4): TokenSequence {
  const ids = new Int32Array(length).fill(7);
  ids.set([101, 50, logit]);
  ids[length - 1] = 102;
  return { ids, typeIds: new Uint8Array(length) };
}

function stand(
  runner: SegmentedFake,
  {
    pages = 1_000,
    observer,
    runners = 2,
    now,
  }: { readonly pages?: number; readonly observer?: ExitObserver; readonly runners?: number; readonly now?: () => number } = {},
) {
  const models = [undefined, 0, 1, 2].map((segment) => ({
    sha256: 'm',
    maxBatchTokens: 64,
    ...(segment === undefined ? {} : { segment }),
  }));
  const scheduler = new BatchScheduler({ models, runners: Array<SegmentedFake>(runners).fill(runner), maxBatchDelayMs: 0 });
  const state = new StatePages(pages);
  return {
    state,
    scheduler,
    exit: new EarlyExit(MODEL, {
      scheduler,
      pages: state,
      observer,
      spanOf: ({ ids }) => [1, 2, 2, ids.length - 1],
      ...(now === undefined ? {} : { now }),
    }),
  };
}

const SYNC = { priority: 'sync', alone: false } as const;

/** A passage is its logit. */
const encoder: SequenceEncoder = {
  encodePairs: (_, { passages }) => {
    const pairs = passages.map((passage) => pair(Number(passage)));
    return Promise.resolve({
      ids: Int32Array.from(pairs.flatMap(({ ids }) => [...ids])),
      typeIds: new Uint8Array(4 * pairs.length),
      lengths: new Int32Array(pairs.length).fill(4),
      truncated: new Uint8Array(pairs.length),
    });
  },
  encodeTexts: () => Promise.reject(new Error('Nothing is embedded here.')),
  countTokens: () => Promise.reject(new Error('Nothing is counted here.')),
};

describe('EarlyExit', () => {
  it('gives full logits to those that reach the end and predictions to those that left', async () => {
    const runner = new SegmentedFake();
    const { exit, state } = stand(runner);
    const scores = await exit.score(
      [9, 1, 8, 2, 7].map((logit) => pair(logit)),
      { wish: { effort: 'balanced', atLeast: 2 } },
      SYNC,
    );
    expect(scores).toEqual([
      { logit: 9 },
      { logit: 1, exitLayer: 3 },
      { logit: 8 },
      { logit: 2, exitLayer: 3 },
      { logit: 7, exitLayer: 6 },
    ]);
    await sleep(0);
    expect(state.used).toBe(0);
  });

  it('runs each layer only for the pairs that are still there', async () => {
    const runner = new SegmentedFake();
    const { exit } = stand(runner);
    await exit.score(
      Array.from({ length: 40 }, (_, at) => pair(at + 1)),
      { wish: { effort: 'fast', atLeast: 10 } },
      SYNC,
    );
    const ran = (segment: number): number => runner.ran.filter((it) => it.segment === segment).flatMap(({ logits }) => logits).length;
    expect([ran(0), ran(1), ran(2)]).toEqual([40, 10, 10]);
  });

  it('lets survivors of several requests share batches', async () => {
    const runner = new SegmentedFake();
    const { exit } = stand(runner, { runners: 1 });
    const request = (base: number) =>
      exit.score(
        Array.from({ length: 20 }, (_, at) => pair(base + at)),
        { wish: { effort: 'fast', atLeast: 2 } },
        SYNC,
      );
    await Promise.all(Array.from({ length: 30 }, (_, at) => request(100 * (at + 1))));
    const shared = runner.ran.filter(({ segment, logits }) => segment! > 0 && new Set(logits.map((it) => Math.floor(it / 100))).size > 1);
    expect(shared.length).toBeGreaterThan(0);
  });

  it('waits for room and loses no page, however many requests come', async () => {
    const { exit, state } = stand(new SegmentedFake(), { pages: 9 });
    const request = (base: number) =>
      exit.score([pair(base + 1, 20), pair(base + 2, 33), pair(base + 3)], { wish: { effort: 'fast', atLeast: 1 } }, SYNC);
    const all = await Promise.all(Array.from({ length: 25 }, (_, at) => request(10 * at)));
    expect(all.map((scores) => scores?.[2])).toEqual(Array.from({ length: 25 }, (_, at) => ({ logit: 10 * at + 3 })));
    await sleep(0);
    expect(state.used).toBe(0);
  });

  it('gives the pages of an aborted request back only when no thread has them in hand', async () => {
    const runner = new SegmentedFake();
    const { exit, state } = stand(runner);
    const control = new AbortController();
    const gate = Promise.withResolvers<undefined>();
    const run = runner.run.bind(runner);
    runner.run = async (batch) => {
      await gate.promise;
      return await run(batch);
    };
    const scoring = exit.score([pair(1), pair(2)], { wish: { effort: 'fast', atLeast: 1 } }, { ...SYNC, signal: control.signal });
    await sleep(0);
    control.abort(new Error('gone'));
    await expect(scoring).rejects.toThrow('gone');
    expect(state.used).toBe(2);
    gate.resolve(undefined);
    await sleep(5);
    expect(state.used).toBe(0);
  });

  it('rejects what was in a segment that failed, gives its pages back, and leaves others alone', async () => {
    const runner = new SegmentedFake();
    const { exit, state } = stand(runner);
    runner.fault = ({ segment }) => (segment === 1 ? new RunnerFault('thread-lost', 'killed') : undefined);
    const wish = { effort: 'fast', atLeast: 1 } as const;
    await expect(exit.score([pair(1), pair(2)], { wish }, SYNC)).rejects.toThrow(RunnerFault);
    await sleep(0);
    expect(state.used).toBe(0);
    runner.fault = undefined;
    expect(await exit.score([pair(1), pair(2)], { wish }, SYNC)).toEqual([{ logit: 1, exitLayer: 3 }, { logit: 2 }]);
  });

  it('tells what each cut did, and how far predictions were off', async () => {
    const cuts: unknown[] = [];
    const ended: unknown[] = [];
    const off: unknown[] = [];
    const observer: ExitObserver = {
      cutMade: (cut) => cuts.push([cut.layer, cut.before, cut.after]),
      pairsEnded: ({ pairs, layersRun, layers }) => ended.push([pairs, layersRun, layers]),
      predictionOff: ({ layer, sigmas }) => off.push([layer, sigmas]),
      ranFull: () => undefined,
    };
    const { exit } = stand(new SegmentedFake((_, segment) => (segment === 0 ? 0.5 : -0.25)), { observer });
    await exit.score([pair(1), pair(2), pair(9)], { wish: { effort: 'fast', atLeast: 1 } }, SYNC);
    expect(cuts).toEqual([
      [3, 3, 1],
      [6, 1, 1],
    ]);
    expect(ended).toEqual([
      [2, 3, 12],
      [0, 6, 12],
      [1, 12, 12],
    ]);
    expect(off).toEqual([
      [3, 0.5],
      [6, -0.5],
    ]);
  });

  it('runs no segment for a call that batch work keeps out of memory', async () => {
    const runner = new SegmentedFake();
    const { exit, state } = stand(runner, { pages: 3 });
    const ofBatch = await state.take(2, { priority: 'batch' });
    expect(await exit.score([pair(1), pair(2)], { wish: { effort: 'fast', atLeast: 1 } }, SYNC)).toBeUndefined();
    expect(runner.ran).toEqual([]);
    state.give(ofBatch!);
    expect(await exit.score([pair(1), pair(2)], { wish: { effort: 'fast', atLeast: 1 } }, SYNC)).toHaveLength(2);
  });

  it('says why all layers have to run', () => {
    const { exit } = stand(new SegmentedFake(), { pages: 3 });
    const request = (passages: number, change: Partial<PairRequest> = {}): PairRequest => ({
      query: 'q',
      passages: Array<string>(passages).fill('p'),
      longDocument: 'truncate',
      deterministic: false,
      priority: 'sync',
      exit: { effort: 'fast', atLeast: 10 },
      ...change,
    });
    expect(exit.whyFull(request(20))).toBeUndefined();
    expect(exit.whyFull(request(19))).toBe('few_candidates');
    expect(exit.whyFull(request(20, { deterministic: true }))).toBe('deterministic');
    expect(exit.whyFull(request(20, { exit: { effort: 'fast', atLeast: 10, groups: Array<string>(20).fill('one') } }))).toBe(
      'few_candidates',
    );
    const known = (groups: (string | undefined)[]) => groups.map((group) => ({ logit: 1, ...(group === undefined ? {} : { group }) }));
    const wish = (groups: string[], of: (string | undefined)[]): Partial<PairRequest> => ({
      exit: { effort: 'fast', atLeast: 10, groups, known: known(of) },
    });
    const distinct = Array.from({ length: 12 }, (_, at) => String(at));
    expect(exit.whyFull(request(12, wish(distinct, [...distinct.slice(0, 6), ...Array<string>(12).fill('one')])))).toBe('few_candidates');
    expect(exit.whyFull(request(12, wish(distinct, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])))).toBeUndefined();
    expect(
      exit.whyFull(request(12, { exit: { effort: 'fast', atLeast: 10, known: known(Array<undefined>(8).fill(undefined)) } })),
    ).toBeUndefined();
    expect([exit.hasRoomFor([pair(1, 48)]), exit.hasRoomFor([pair(1, 49)])]).toEqual([true, false]);
  });
});

describe('EarlyExit, for requests', () => {
  it('gives each of the best documents its full score, though passages of one of them were scored before', async () => {
    const { exit, scheduler } = stand(new SegmentedFake());
    const scorer = new PairScorer({ name: 'fake', sha256: 'm' }, { encoder, scheduler, earlyExit: exit });
    const cached = new CachingCrossEncoder(scorer, { memory: new Map() });
    const ofOne = Array.from({ length: 12 }, (_, at) => String(200 + at));
    const others = Array.from({ length: 40 }, (_, at) => String(100 + at));
    const request = { query: 'q', longDocument: 'truncate', deterministic: false, priority: 'sync', cacheFor: 'acme' } as const;
    await cached.score({ ...request, passages: ofOne });
    const groupKey = (index: number): string => (index < ofOne.length ? 'one' : String(index));
    const options = { topN: 10, explain: false, effort: 'balanced', groupKey } as const;
    const { results, fullReasons } = await runStages([{ encoder: cached }], { ...request, passages: [...ofOne, ...others] }, options);
    expect(fullReasons).toEqual([undefined]);
    expect(results.map(({ logit, exitLayer }) => [logit, exitLayer])).toEqual(
      [211, 139, 138, 137, 136, 135, 134, 133, 132, 131].map((logit) => [logit, undefined]),
    );
  });

  const REQUEST = {
    query: 'q',
    passages: Array.from({ length: 20 }, (_, at) => String(at)),
    longDocument: 'truncate',
    deterministic: false,
    priority: 'sync',
    exit: { effort: 'fast', atLeast: 10 },
  } as const;

  /** Batch work holds what a request needs, and keeps it. */
  async function standWithoutRoom(runner: SegmentedFake) {
    const reasons: string[] = [];
    const observer = { cutMade: () => undefined, pairsEnded: () => undefined, predictionOff: () => undefined };
    const ranFull: ExitObserver['ranFull'] = ({ reason }) => void reasons.push(reason);
    const { exit, scheduler, state } = stand(runner, { pages: 25, runners: 1, observer: { ...observer, ranFull } });
    await state.take(10, { priority: 'batch' });
    return { scorer: new PairScorer({ name: 'fake', sha256: 'm' }, { encoder, scheduler, earlyExit: exit }), scheduler, reasons };
  }

  it('runs the whole model for a call whose memory batch work holds, and says so', async () => {
    const { scorer, reasons } = await standWithoutRoom(new SegmentedFake());
    const { scores, fullReason } = await scorer.score(REQUEST);
    expect(fullReason).toBe('no_memory');
    expect(reasons).toEqual(['no_memory']);
    expect(scores.map(({ logit }) => logit)).toEqual([...Array(20).keys()]);
  });

  it('keeps the place of a call that waited for memory in vain', async () => {
    const runner = new SegmentedFake();
    const gate = Promise.withResolvers<undefined>();
    const run = runner.run.bind(runner);
    runner.run = async (batch) => {
      await gate.promise;
      return await run(batch);
    };
    const { scorer, scheduler, reasons } = await standWithoutRoom(runner);
    const running = scheduler.run('m', [pair(500)], SYNC);
    const waited = scorer.score(REQUEST);
    await sleep(0);
    const later = scheduler.run(
      'm',
      Array.from({ length: 16 }, () => pair(600)),
      SYNC,
    );
    await vi.waitFor(() => expect(reasons).toEqual(['no_memory']), 4_000);
    gate.resolve(undefined);
    await Promise.all([running, waited, later]);
    expect(Math.max(...runner.ran[1]!.logits)).toBeLessThan(20);
  });

  it('sends nothing to segments for a minute after one thread could not load them, whatever others hold, and then tries again', async () => {
    const runner = new SegmentedFake();
    const reasons: string[] = [];
    const observer = { cutMade: () => undefined, pairsEnded: () => undefined, predictionOff: () => undefined };
    const ranFull: ExitObserver['ranFull'] = ({ reason }) => void reasons.push(reason);
    let now = 1_000;
    const { exit, scheduler, state } = stand(runner, { observer: { ...observer, ranFull }, now: () => now });
    const scorer = new PairScorer({ name: 'fake', sha256: 'm' }, { encoder, scheduler, earlyExit: exit });
    let isShort = true;
    let tries = 0;
    runner.fault = ({ segment }) => {
      if (segment !== undefined) tries += 1;
      // The thread that has the first segment holds it; the one that has the second does not.
      return segment === 1 && isShort ? new SegmentsNotLoaded('no memory') : undefined;
    };
    const whole = async (): Promise<void> => {
      const { scores, fullReason } = await scorer.score(REQUEST);
      expect(fullReason).toBe('not_loaded');
      expect(scores.map(({ logit }) => logit)).toEqual([...Array(20).keys()]);
    };
    await whole();
    const met = tries;
    now += 59_999;
    await Promise.all([whole(), whole()]);
    expect(tries).toBe(met);
    now += 1;
    await whole();
    expect(tries).toBeGreaterThan(met);
    now += 60_000;
    isShort = false;
    expect((await scorer.score(REQUEST)).fullReason).toBeUndefined();
    expect(reasons).toEqual(Array(4).fill('not_loaded'));
    await vi.waitFor(() => expect(state.used).toBe(0));
  });
});
