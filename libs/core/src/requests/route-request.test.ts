import type { WorkerAnnouncement } from '../contracts/index.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FleetView, poolsOf, type FleetModel } from './fleet-view.js';
import { RequestRouter } from './request-router.js';
import { routeRequest, servedName } from './route-request.js';

const model = (name: string, kind: FleetModel['kind'] = 'cross-encoder', revision = '1'): FleetModel => ({
  name,
  kind,
  sha256: `${name}@${revision}`,
  maxLength: 512,
  precision: 'int8',
});
const worker = (pool: string, models: FleetModel[], startedAt = 1, state: WorkerAnnouncement['state'] = 'ready'): WorkerAnnouncement => ({
  worker_id: `${pool}-${startedAt}`,
  pool,
  state,
  device: 'cpu',
  models,
  started_at: startedAt,
});

const EMBEDDER = { name: 'bge', sha256: 'bge@1' };
const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;

describe('routeRequest', () => {
  const pools = poolsOf(
    [
      worker('default', [model('mini'), model('big'), model('bge', 'embedder')]),
      worker('gpu', [model('huge'), model('bge', 'embedder', '2')]),
    ],
    [{ pool: 'sleepy', models: [model('rare')] }],
  );

  it('takes the first cross-encoder of the default pool where none is named', () => {
    expect(routeRequest(pools, { reranker: { kind: 'default' } }, {})).toEqual({
      pool: 'default',
      models: [{ name: 'mini', sha256: 'mini@1' }],
    });
  });

  it('finds the pool of a named model, also one that sleeps', () => {
    expect(routeRequest(pools, { reranker: { kind: 'named', name: 'huge' } }, {})).toEqual({
      pool: 'gpu',
      models: [{ name: 'huge', sha256: 'huge@1' }],
    });
    expect(routeRequest(pools, { reranker: { kind: 'named', name: 'rare' } }, {}).pool).toBe('sleepy');
  });

  it('names what there is where the model is not known', () => {
    expect(() => routeRequest(pools, { reranker: { kind: 'named', name: 'bge' } }, {})).toThrow(
      /model_not_found: .*"big", "huge", "mini", "rare"/,
    );
  });

  it('needs all models of a cascade in one pool, in the order of its stages', () => {
    const stages = (...names: string[]) => ({ reranker: { kind: 'stages', names, of: 'request' } }) as const;
    expect(routeRequest(pools, stages('big', 'hub/mini', 'alias'), { alias: 'big' })).toEqual({
      pool: 'default',
      models: [
        { name: 'big', sha256: 'big@1' },
        { name: 'mini', sha256: 'mini@1' },
        { name: 'big', sha256: 'big@1' },
      ],
    });
    expect(routeRequest(pools, stages('rare'), {}).pool).toBe('sleepy');
    expect(() => routeRequest(pools, stages('mini', 'huge'), {})).toThrow(
      /model_unavailable: No pool has all the rerankers of the stages \("mini", "huge"\);/,
    );
    expect(() => routeRequest(pools, { ...stages('mini', 'huge'), embedder: EMBEDDER }, {})).toThrow(/beside the embedder "bge"/);
  });

  it('points at the stage of the request whose model is not known, and names that of a corpus', () => {
    const route = (of: 'request' | 'corpus') => () => routeRequest(pools, { reranker: { kind: 'stages', names: ['mini', 'x'], of } }, {});
    const fault = { pointer: '/stages/1/model', detail: 'is not a served reranker' };
    expect(route('request')).toThrow(expect.objectContaining({ code: 'model_not_found', errors: [fault] }) as Error);
    expect(route('corpus')).toThrow(expect.objectContaining({ code: 'model_not_found', errors: [] }) as Error);
    expect(route('corpus')).toThrow(/"x", which stage 2 of the corpus asks for/);
  });

  it('needs embedder and reranker in one pool', () => {
    expect(routeRequest(pools, { reranker: { kind: 'named', name: 'big' }, embedder: EMBEDDER }, {}).pool).toBe('default');
    expect(() => routeRequest(pools, { reranker: { kind: 'named', name: 'huge' }, embedder: EMBEDDER }, {})).toThrow(
      code('model_unavailable'),
    );
    expect(routeRequest(pools, { reranker: { kind: 'none' }, embedder: { name: 'bge', sha256: 'bge@2' } }, {})).toEqual({
      pool: 'gpu',
      models: [],
    });
  });

  it('says that no pool has the embedder of the corpus', () => {
    const needs = { reranker: { kind: 'none' }, embedder: { name: 'old', sha256: 'old@1' } } as const;
    expect(() => routeRequest(pools, needs, {})).toThrow(/model_unavailable: No pool has the embedder of this corpus \("old"/);
  });

  it('finds the pool of an embedder by its name, whatever its file', () => {
    const some = poolsOf(
      [worker('default', [model('mini'), model('bge', 'embedder')]), worker('other', [model('e5', 'embedder', '7')])],
      [],
    );
    const route = (name: string, of: 'request' | 'corpus') =>
      routeRequest(some, { reranker: { kind: 'none' }, embedder: { name, of } }, {});
    expect(route('e5', 'request').pool).toBe('other');
    expect(route('intfloat/e5', 'corpus').pool).toBe('other');
    const fault = { pointer: '/embedding_model', detail: 'is not a served embedder' };
    expect(() => route('mini', 'request')).toThrow(expect.objectContaining({ code: 'model_not_found', errors: [fault] }) as Error);
    expect(() => route('mini', 'request')).toThrow(/there is "bge", "e5"/);
    expect(() => route('old', 'corpus')).toThrow(/model_unavailable: No pool has the embedder of this corpus \("old"\)/);
  });

  it('prefers a live pool to one that sleeps, whatever its name', () => {
    const some = poolsOf([worker('zeta', [model('mini')])], [{ pool: 'default', models: [model('mini')] }]);
    expect(routeRequest(some, { reranker: { kind: 'named', name: 'mini' } }, {}).pool).toBe('zeta');
  });

  it('pins the newest ready revision during a rollout', () => {
    const rolling = poolsOf(
      [
        worker('default', [model('mini', 'cross-encoder', 'old')], 1),
        worker('default', [model('mini', 'cross-encoder', 'new')], 2),
        worker('default', [model('mini', 'cross-encoder', 'gone')], 3, 'draining'),
      ],
      [],
    );
    expect(routeRequest(rolling, { reranker: { kind: 'default' } }, {}).models[0]?.sha256).toBe('mini@new');
    expect(rolling[0]?.models).toHaveLength(3);
  });
});

describe('servedName', () => {
  const served = new Set(['mini', 'big']);

  it.each([
    ['mini', 'mini'],
    ['cross-encoder/mini', 'mini'],
    ['rerank-v3.5', 'big'],
    ['to-hub', 'mini'],
    ['mini/', undefined],
    ['toString', undefined],
    ['MINI', undefined],
  ])('%s is %s', (asked, name) => {
    expect(servedName(asked, served, { 'rerank-v3.5': 'big', 'to-hub': 'cross-encoder/mini' })).toBe(name);
  });
});

describe('FleetView', () => {
  const signal = new AbortController().signal;

  it('waits for the first worker ever', async () => {
    const demand: string[] = [];
    const live: WorkerAnnouncement[] = [];
    const markDemand = async (pool: string): Promise<void> => {
      demand.push(pool);
      live.push(worker('default', [model('mini')]));
    };
    const view = new FleetView({ live: async () => [...live], remembered: async () => [], markDemand });
    expect((await view.awaitPools({ timeoutMs: 5_000, signal }))[0]?.pool).toBe('default');
    expect(demand).toEqual(['default']);
  });

  it('gives up at the deadline, and with the client', async () => {
    const view = new FleetView({ live: async () => [], remembered: async () => [], markDemand: async () => undefined });
    await expect(view.awaitPools({ timeoutMs: 20, signal })).rejects.toMatchObject({ code: 'model_unavailable', retryAfterS: 10 });
    await expect(view.awaitPools({ timeoutMs: 5_000, signal: AbortSignal.timeout(20) })).rejects.toThrow(/abort/i);
  });

  it('asks Redis once for requests that come together, and again after a fault', async () => {
    let asked = 0;
    let fault = true;
    const view = new FleetView({
      live: async () => {
        asked += 1;
        if (fault) throw new Error('away');
        return [];
      },
      remembered: async () => [],
      markDemand: async () => undefined,
    });
    await expect(view.pools()).rejects.toThrow('away');
    fault = false;
    await Promise.all([view.pools(), view.pools(), view.pools()]);
    expect(asked).toBe(2);
  });
});

describe('FleetView while requests come', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const counting = () => {
    const source = { asked: 0, fault: false };
    const live = async (): Promise<WorkerAnnouncement[]> => {
      source.asked += 1;
      if (source.fault) throw new Error('away');
      return [worker(`pool-${source.asked}`, [model('mini')])];
    };
    return { source, view: new FleetView({ live, remembered: async () => [], markDemand: async () => undefined }) };
  };

  it('is never old, though no request asks Redis itself', async () => {
    const { source, view } = counting();
    await view.pools();
    await vi.advanceTimersByTimeAsync(2_050);
    expect(source.asked).toBe(6);
    expect((await view.pools())[0]?.pool).toBe('pool-6');
    expect(source.asked).toBe(6);
  });

  it('leaves Redis alone once none came for a while', async () => {
    const { source, view } = counting();
    await view.pools();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(source.asked).toBeLessThan(30);
    const before = source.asked;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(source.asked).toBe(before);
    expect((await view.pools())[0]?.pool).toBe(`pool-${before + 1}`);
  });

  it('tells the next request of a fault', async () => {
    const { source, view } = counting();
    await view.pools();
    source.fault = true;
    await vi.advanceTimersByTimeAsync(600);
    await expect(view.pools()).rejects.toThrow('away');
  });
});

describe('RequestRouter', () => {
  it('finds a worker that came after the last look', async () => {
    const live = [worker('default', [model('mini')])];
    const fleet = new FleetView({ live: async () => [...live], remembered: async () => [], markDemand: async () => undefined });
    const router = new RequestRouter(fleet, { alias: 'new' });
    const limits = { timeoutMs: 100, signal: new AbortController().signal };
    await expect(router.route({ reranker: { kind: 'named', name: 'alias' } }, limits)).rejects.toMatchObject({ code: 'model_not_found' });
    live.push(worker('other', [model('new')]));
    expect((await router.route({ reranker: { kind: 'named', name: 'alias' } }, limits)).pool).toBe('other');
  });
});
