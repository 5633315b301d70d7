import { LRUCache } from 'lru-cache';
import { RedisScoreCache } from '@rerank-fleet/core/adapters/redis/score-cache';
import type { Config } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { digestFile } from '@rerank-fleet/core/models';
import { spanNow, type Logger } from '@rerank-fleet/core/observability';
import type { CrossEncoder, PairScore } from '@rerank-fleet/core/ports';
import type { WorkerInstruments } from '../ops/worker-metrics.js';
import { CachingCrossEncoder, type CacheObserver, type CacheStats } from '../pipeline/caching-cross-encoder.js';

/** Scores of earlier pairs: in memory, in Redis, in both or nowhere. */
export interface RunningScoreCache {
  /** The cross-encoder itself where nothing is kept. */
  wrap(scorer: CrossEncoder, model: ResolvedModel, fastVariant?: string): Promise<CrossEncoder>;
  stats(): CacheStats;
  /** Scores in memory. */
  entries(): number;
  close(): void;
}

export function openScoreCache({ worker, redis }: Config, instruments: WorkerInstruments, log: Logger): RunningScoreCache {
  const { cacheHits, cacheMisses } = instruments;
  const memory = openMemory(worker.scoreCachePairs, instruments);
  const shared =
    worker.scoreCacheRedisTtlS === 0
      ? undefined
      : new RedisScoreCache({
          url: worker.scoreCacheRedisUrl ?? redis.url,
          ttlS: worker.scoreCacheRedisTtlS,
          onFailure: (error) => {
            instruments.cacheFailures.add(1);
            log.warn({ detail: error.message }, 'The scores in Redis cannot be had; pairs are scored anew, and it is tried again later.');
          },
        });
  const observer: CacheObserver = {
    lookedUp: (tier, { hits, misses }) => {
      cacheHits.add(hits, { tier });
      cacheMisses.add(misses, { tier });
      spanNow()?.event('scores looked up', { 'rerank.cache.tier': tier, 'rerank.cache.hits': hits, 'rerank.cache.misses': misses });
    },
  };
  const wrapped: CachingCrossEncoder[] = [];
  return {
    wrap: async (scorer, model, fastVariant = 'file') => {
      if (memory === undefined && shared === undefined) return scorer;
      const variant = `${await variantOf(model, worker.device)} ${fastVariant}`;
      const caching = new CachingCrossEncoder(scorer, { memory, shared, observer, variant });
      wrapped.push(caching);
      return caching;
    },
    stats: () => sum(wrapped.map(({ stats }) => stats)),
    entries: () => memory?.size ?? 0,
    close: () => shared?.close(),
  };
}

function openMemory(pairs: number, { cacheEvictions }: WorkerInstruments): LRUCache<string, PairScore> | undefined {
  if (pairs === 0) return undefined;
  return new LRUCache({
    max: pairs,
    dispose: (_score, _key, reason) => {
      if (reason === 'evict') cacheEvictions.add(1, { tier: 'memory' });
    },
  });
}

/** Workers share scores, and two of them may hold the same file of weights beside other settings. */
async function variantOf({ precision, labelIndex, maxLength, tokenizerPath }: ResolvedModel, device: string): Promise<string> {
  const { sha256 } = await digestFile(tokenizerPath);
  return [device, precision, labelIndex ?? 0, maxLength, sha256].join(' ');
}

function sum(stats: readonly CacheStats[]): CacheStats {
  return { hits: stats.reduce((total, { hits }) => total + hits, 0), misses: stats.reduce((total, { misses }) => total + misses, 0) };
}
