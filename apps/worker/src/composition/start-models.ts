import type { Config } from '@rerank-fleet/core/config';
import type { EngineBody } from '@rerank-fleet/core/contracts';
import type { ModelRevision, ResolvedModel } from '@rerank-fleet/core/domain';
import { invariant } from '@rerank-fleet/core/errors';
import { inFrame, type Logger } from '@rerank-fleet/core/observability';
import { assertDevice } from '../inference/assert-device.js';
import { BatchSpans } from '../ops/batch-spans.js';
import { EngineMeter } from '../ops/engine-meter.js';
import { ExitMeter } from '../ops/exit-meter.js';
import { TEXT_SPANS } from '../ops/text-spans.js';
import { tracedEmbedder } from '../ops/traced-ports.js';
import { collectWorker, createWorkerMetrics, type WorkerMetrics } from '../ops/worker-metrics.js';
import { pairSpans } from '../exits/pair-spans.js';
import { BatchScheduler } from '../pipeline/batch-scheduler.js';
import type { CacheStats } from '../pipeline/caching-cross-encoder.js';
import { EarlyExit } from '../pipeline/early-exit.js';
import { TextEmbedder } from '../pipeline/embed-texts.js';
import { PairScorer } from '../pipeline/score-pairs.js';
import { splitSequences } from '../pipeline/sequence-encoder.js';
import { CrossEncoders } from '../tasks/cross-encoders.js';
import { Embedders } from '../pipeline/embedders.js';
import { TextPool } from '../tokenization/text-pool.js';
import { openScoreCache } from './open-score-cache.js';
import { resolveConfigured } from './resolve-configured.js';
import { startEngine } from './start-engine.js';

/** Everything that scores and embeds, warmed up. */
export interface RunningModels {
  readonly encoders: CrossEncoders;
  readonly embedders: Embedders;
  readonly texts: TextPool;
  readonly scheduler: BatchScheduler;
  /** As the registry announces them; the first cross-encoder is the default. */
  readonly revisions: readonly ModelRevision[];
  /** As it is now: a budget falls when a batch does not fit into memory. */
  readonly engine: EngineBody;
  /** What its batches amounted to. */
  readonly meter: EngineMeter;
  readonly cacheStats: () => CacheStats;
  /** Memory that models may still take which are loaded when they are first asked for. */
  readonly lateBytes: number;
  /** Call it when no task is in hand. */
  close(): Promise<void>;
}

/**
 * Resolves, loads and warms up the models of this worker.
 *
 * @throws RerankError `model_not_found`, `model_unavailable`, also if the device that was asked for cannot be had
 */
export async function startModels(
  config: Config,
  log: Logger,
  onHang: (detail: string) => void,
  metrics: WorkerMetrics = createWorkerMetrics(),
): Promise<RunningModels> {
  const { worker } = config;
  if (worker.device !== 'cpu') await assertDevice(worker.device, worker.inferenceThreads);
  const rerankers = await Promise.all(worker.rerankModels.map((name) => resolveConfigured(config, name, 'cross-encoder')));
  const embedding = await Promise.all(worker.embeddingModels.map((name) => resolveConfigured(config, name, 'embedder')));
  const models = [...new Map([...rerankers, ...embedding].map((model) => [model.sha256, model])).values()];
  const texts = await TextPool.start({
    models,
    threads: worker.tokenizerThreads,
    observer: TEXT_SPANS,
    onThreadDeath: (detail) => log.error({ detail }, 'A text thread died; another takes its place.'),
  });
  const { inference, budgets, variants, exits, lateBytes } = await startEngine({ config, log, onHang, models, encoder: texts }).catch(
    async (error: unknown) => {
      await texts.close();
      throw error;
    },
  );
  const meter = new EngineMeter(metrics.instruments, models);
  const scheduler = new BatchScheduler({
    models: models.flatMap(({ sha256, maxLength }) => {
      const queue = { sha256, maxLength, maxBatchTokens: budgets.of(sha256) };
      const segments = exits.get(sha256)?.segmented.segments ?? [];
      return [queue, ...segments.map((_, segment) => ({ ...queue, segment, maxBatchTokens: budgets.of(sha256, segment) }))];
    }),
    // Whoever's work came last started the batch; the budget is everybody's.
    onBudgetLowered: (...lowered) => inFrame(undefined, () => budgets.lower(...lowered)),
    runners: inference.runners,
    maxBatchDelayMs: worker.maxBatchDelayMs,
    observer: new BatchSpans(meter, (sha256) => models.find((model) => model.sha256 === sha256)?.name ?? 'unknown'),
  });
  const exitMeter = new ExitMeter(metrics.instruments, { models, log });
  const scorers = rerankers.map((model) => {
    const exit = exits.get(model.sha256);
    const earlyExit = exit && new EarlyExit(exit.model, { scheduler, pages: exit.pages, spanOf: pairSpans, observer: exitMeter });
    return new PairScorer(model, { encoder: texts, scheduler, earlyExit, exitObserver: exitMeter });
  });
  const cache = openScoreCache(config, metrics.instruments, log);
  const encoders = await Promise.all(rerankers.map((model, at) => cache.wrap(scorers[at]!, model, variants.get(model.sha256))));
  const widths = new Map<string, number>();
  for (const { sha256 } of models) widths.set(sha256, await warmUp(sha256, texts, scheduler));
  const dimensionsOf = ({ sha256 }: ResolvedModel): number => widths.get(sha256) ?? 0;
  meter.start();
  collectWorker(metrics, {
    models: models.map(({ name }) => name),
    engine: () => budgets.shape,
    pairsWaiting: () => scheduler.stats.waiting,
    cacheEntries: () => cache.entries(),
  });
  return {
    encoders: new CrossEncoders(encoders),
    embedders: new Embedders(
      embedding.map((model, at) => ({
        embedder: tracedEmbedder(
          new TextEmbedder({ queryPrefix: '', passagePrefix: '', ...model, dimensions: dimensionsOf(model) }, texts, scheduler),
        ),
        names: [worker.embeddingModels[at]!],
      })),
    ),
    texts,
    scheduler,
    get engine() {
      return budgets.shape;
    },
    meter,
    cacheStats: () => cache.stats(),
    lateBytes,
    revisions: [
      ...rerankers.map((model) => revision(model)),
      ...embedding.map((model) => ({ ...revision(model), dimensions: dimensionsOf(model) })),
    ],
    close: async () => {
      await inference.close();
      await texts.close();
      cache.close();
    },
  };
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
