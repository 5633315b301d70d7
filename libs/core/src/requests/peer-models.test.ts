import { describe, expect, it } from 'vitest';
import type { PoolView } from './fleet-view.js';
import { defaultForPeers } from './peer-models.js';

const pool = (...names: string[]): PoolView => ({
  pool: 'default',
  liveWorkers: 1,
  since: 1,
  models: names.map((name) => ({ name, kind: 'cross-encoder', sha256: name, maxLength: 512, precision: 'int8' })),
});
const named = (name: string) => ({ kind: 'named', name }) as const;
const DEFAULT = { kind: 'default' };

describe('defaultForPeers', () => {
  it.each(['rerank-v3.5', 'rerank-v4.0-pro', 'jina-reranker-v2-base-multilingual', 'jinaai/jina-reranker-v3', 'rerank-2.5-lite'])(
    'lets %s stand for the default reranker',
    (name) => {
      expect(defaultForPeers([pool('mini')], named(name), {})).toEqual(DEFAULT);
    },
  );

  it('leaves a name that a worker serves', () => {
    expect(defaultForPeers([pool('mini', 'jina-reranker-v3')], named('jinaai/jina-reranker-v3'), {})).toEqual(
      named('jinaai/jina-reranker-v3'),
    );
  });

  it('leaves a name that the operator has mapped, though its target may be gone', () => {
    expect(defaultForPeers([pool('mini')], named('rerank-v3.5'), { 'rerank-v3.5': 'big' })).toEqual(named('rerank-v3.5'));
  });

  it('leaves every other name, and stages', () => {
    expect(defaultForPeers([pool('mini')], named('rerank-v9'), {})).toEqual(named('rerank-v9'));
    const stages = { kind: 'stages', names: ['rerank-v3.5'], of: 'request' } as const;
    expect(defaultForPeers([pool('mini')], stages, {})).toBe(stages);
  });
});
