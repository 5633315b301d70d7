import { LRUCache } from 'lru-cache';
import type { Config } from '@rerank-fleet/core/config';
import type { EngineBody } from '@rerank-fleet/core/contracts';
import type { ModelRevision, ResolvedModel } from '@rerank-fleet/core/domain';
import { invariant } from '@rerank-fleet/core/errors';
import type { Embedder, PairScore } from '@rerank-fleet/core/ports';
import type { Logger } from '@rerank-fleet/core/observability';
import { assertDevice } from '../inference/assert-device.js';
import { BatchScheduler } from '../pipeline/batch-scheduler.js';
import { CachingCrossEncoder, type CacheStats } from '../pipeline/caching-cross-encoder.js';
import { TextEmbedder } from '../pipeline/embed-texts.js';
import { PairScorer } from '../pipeline/score-pairs.js';
import { splitSequences } from '../pipeline/sequence-encoder.js';
import { CrossEncoders } from '../tasks/cross-encoders.js';
import { TextPool } from '../tokenization/text-pool.js';
import { DEFAULT_BATCH_TOKENS } from '../tuning/engine-shape.js';
import { resolveConfigured } from './resolve-configured.js';
import { startEngine } from './start-engine.js';

/** Everything that scores and embeds, warmed up. */
export interface RunningModels {
  readonly encoders: CrossEncoders;
  readonly embedder: Embedder;
  readonly texts: TextPool;
  readonly scheduler: BatchScheduler;
  /** As the registry announces them; the first cross-encoder is the default. */
  readonly revisions: readonly ModelRevision[];
  readonly engine: EngineBody;
  readonly cacheStats: () => CacheStats;
  /** Call it when no task is in hand. */
  close(): Promise<void>;
}

/**
 * Resolves, loads and warms up the models of this worker.
 *
 * @throws RerankError `model_not_found`, `model_unavailable`, also if the device that was asked for cannot be had
 */
export async function startModels(config: Config, log: Logger, onHang: (detail: string) => void): Promise<RunningModels> {
  const { worker } = config;
  if (worker.device !== 'cpu') await assertDevice(worker.device, worker.inferenceThreads);
  const rerankers = await Promise.all(worker.rerankModels.map((name) => resolveConfigured(config, name, 'cross-encoder')));
  const embedding = await resolveConfigured(config, worker.embeddingModel, 'embedder');
  const models = [...new Map([...rerankers, embedding].map((model) => [model.sha256, model])).values()];
  const [reranker] = rerankers;
  invariant(reranker, 'A worker has at least one reranker.');
  const texts = await TextPool.start({
    models,
    threads: worker.tokenizerThreads,
    onThreadDeath: (detail) => log.error({ detail }, 'A text thread died; another takes its place.'),
  });
  const { inference, shape } = await startEngine({ config, log, onHang, models, reranker, encoder: texts }).catch(
    async (error: unknown) => {
      await texts.close();
      throw error;
    },
  );
  const scheduler = new BatchScheduler({
    models: models.map(({ sha256 }) => ({
      sha256,
      maxBatchTokens: sha256 === reranker.sha256 ? shape.max_batch_tokens : (worker.maxBatchTokens ?? DEFAULT_BATCH_TOKENS[worker.device]),
    })),
    runners: inference.runners,
    maxBatchDelayMs: worker.maxBatchDelayMs,
  });
  const scorers = rerankers.map((model) => new PairScorer(model, { encoder: texts, scheduler }));
  const cache = worker.scoreCachePairs === 0 ? undefined : new LRUCache<string, PairScore>({ max: worker.scoreCachePairs });
  const cached = cache === undefined ? undefined : scorers.map((scorer) => new CachingCrossEncoder(scorer, cache));
  const widths = new Map<string, number>();
  for (const { sha256 } of models) widths.set(sha256, await warmUp(sha256, texts, scheduler));
  const dimensions = widths.get(embedding.sha256) ?? 0;
  return {
    encoders: new CrossEncoders(cached ?? scorers),
    embedder: new TextEmbedder({ queryPrefix: '', passagePrefix: '', ...embedding, dimensions }, texts, scheduler),
    texts,
    scheduler,
    engine: shape,
    cacheStats: () => sumStats(cached ?? []),
    revisions: [...rerankers.map((model) => revision(model)), { ...revision(embedding), dimensions }],
    close: async () => {
      await inference.close();
      await texts.close();
    },
  };
}

function sumStats(encoders: readonly CachingCrossEncoder[]): CacheStats {
  const stats = encoders.map((encoder) => encoder.stats);
  return { hits: stats.reduce((sum, { hits }) => sum + hits, 0), misses: stats.reduce((sum, { misses }) => sum + misses, 0) };
}

/** Runs every thread once, so that the first request finds sessions ready. Resolves to the width of the model's output. */
async function warmUp(sha256: string, texts: TextPool, scheduler: BatchScheduler): Promise<number> {
  const encoded = await texts.encodeTexts(sha256, Array<string>(8).fill('warm up '.repeat(24)), '');
  const [row] = await scheduler.run(sha256, splitSequences(encoded), { priority: 'batch', alone: false });
  invariant(row, 'A model answered nothing to its warm-up.');
  return row.length;
}

function revision({ name, kind, sha256, maxLength, precision }: ResolvedModel): ModelRevision {
  return { name, kind, sha256, maxLength, precision };
}
