import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { createLogger } from '@rerank-fleet/core/observability';
import type { CrossEncoder, PairRequest } from '@rerank-fleet/core/ports';
import { openScoreCache } from '@rerank-fleet/worker/composition/open-score-cache';
import { createWorkerMetrics } from '@rerank-fleet/worker/ops/worker-metrics';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const REQUEST: PairRequest = {
  query: 'q',
  passages: ['a'],
  longDocument: 'truncate',
  deterministic: false,
  priority: 'sync',
  cacheFor: 'acme',
};

let root: string;
let model: ResolvedModel;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-open-cache-'));
  model = {
    kind: 'cross-encoder',
    name: 'heavy',
    sha256: 'h',
    precision: 'int8',
    licence: 'MIT',
    maxLength: 512,
    directory: root,
    onnxPath: join(root, 'model.onnx'),
    tokenizerPath: await tokenizer('one'),
  };
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function tokenizer(content: string): Promise<string> {
  const path = join(root, `${content}.json`);
  await writeFile(path, content);
  return path;
}

function open(env: Readonly<Record<string, string>> = {}) {
  const metrics = createWorkerMetrics();
  const cache = openScoreCache(loadConfig(env), metrics.instruments, createLogger({ level: 'error', process: 'test' }));
  const score = vi.fn<CrossEncoder['score']>(({ passages }) =>
    Promise.resolve({ scores: passages.map(() => ({ logit: 1, tokens: 1, truncated: false })), timingsMs: { tokenize: 0, score: 0 } }),
  );
  return { metrics, cache, score, scorer: { name: 'heavy', sha256: 'h', score } };
}

describe(openScoreCache, () => {
  it('keeps no more scores than it may, those used last, and counts what gave way', async () => {
    const { metrics, cache, score, scorer } = open({ SCORE_CACHE_PAIRS: '2' });
    const cached = await cache.wrap(scorer, model);
    for (const passage of ['a', 'b', 'a', 'c', 'a']) await cached.score({ ...REQUEST, passages: [passage] });
    expect(score.mock.calls.map(([{ passages }]) => passages[0])).toEqual(['a', 'b', 'c']);
    expect(cache.entries()).toBe(2);
    expect(cache.stats()).toEqual({ hits: 2, misses: 3 });
    expect(await metrics.text()).toMatch(/^rerank_fleet_score_cache_evictions_total\{tier="memory"\} 1$/m);
  });

  it('stays out of the way where nothing is to be kept', async () => {
    const { cache, scorer } = open({ SCORE_CACHE_PAIRS: '0' });
    expect(await cache.wrap(scorer, model)).toBe(scorer);
  });

  it.each<[string, () => Promise<Partial<ResolvedModel>> | Partial<ResolvedModel>, string?]>([
    ['another label', () => ({ labelIndex: 2 })],
    ['another window', () => ({ maxLength: 256 })],
    ['another precision', () => ({ precision: 'fp32' })],
    ['another tokenizer', async () => ({ tokenizerPath: await tokenizer('other') })],
    ['a faster graph', () => ({}), 'narrowed'],
  ])('gives no score of the same file with %s', async (_, difference, fastVariant) => {
    const { cache, score, scorer } = open();
    const [one, other] = [await cache.wrap(scorer, model), await cache.wrap(scorer, { ...model, ...(await difference()) }, fastVariant)];
    for (const cached of [one, other]) await cached.score(REQUEST);
    expect(score).toHaveBeenCalledTimes(2);
    for (const cached of [one, other]) await cached.score(REQUEST);
    expect(score).toHaveBeenCalledTimes(2);
  });
});
