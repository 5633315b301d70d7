import { availableParallelism } from 'node:os';
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
import type { ScheduledModel } from '../pipeline/scheduling.js';
import type { CacheStats } from '../pipeline/caching-cross-encoder.js';
import { EarlyExit } from '../pipeline/early-exit.js';
import { TextEmbedder } from '../pipeline/embed-texts.js';
import { PairScorer } from '../pipeline/score-pairs.js';
import { splitSequences } from '../pipeline/sequence-encoder.js';
import { CrossEncoders } from '../tasks/cross-encoders.js';
import { Embedders } from '../pipeline/embedders.js';
import { TextPool } from '../tokenization/text-pool.js';
import { assertDistinctModels } from './assert-distinct-models.js';
import { defaultTokenizerThreads } from './default-tokenizer-threads.js';
import { openScoreCache } from './open-score-cache.js';
import { resolveConfigured } from './resolve-configured.js';
import { startEngine, type Engine } from './start-engine.js';

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
  const models = await resolveModels(config);
  const texts = await startTexts(config, models.all, log);
  const engine = await startEngine({ config, log, onHang, models: models.all, encoder: texts }).catch(async (error: unknown) => {
    await texts.close();
    throw error;
  });
  const { inference, budgets, variants, lateBytes } = engine;
  const meter = new EngineMeter(metrics.instruments, models.all);
  const scheduler = openScheduler(engine, models.all, { meter, maxBatchDelayMs: worker.maxBatchDelayMs });
  const cache = openScoreCache(config, metrics.instruments, log);
  const exitMeter = new ExitMeter(metrics.instruments, { models: models.all, log });
  const scorers = pairScorers(models.rerankers, engine, { encoder: texts, scheduler, exitObserver: exitMeter });
  const encoders = await Promise.all(scorers.map(({ scorer, model }) => cache.wrap(scorer, model, variants.get(model.sha256)?.name)));
  const widths = await warmUp(models.all, texts, scheduler);
  const embedding = models.embedding.map(({ name, model }) => ({ name, model: { ...model, dimensions: widths.get(model.sha256) ?? 0 } }));
  meter.start();
  collectWorker(metrics, {
    models: models.all.map(({ name }) => name),
    engine: () => budgets.shape,
    pairsWaiting: () => scheduler.stats.waiting,
    cacheEntries: () => cache.entries(),
  });
  return {
    encoders: new CrossEncoders(encoders),
    embedders: openEmbedders(embedding, texts, scheduler),
    texts,
    scheduler,
    get engine() {
      return budgets.shape;
    },
    meter,
    cacheStats: () => cache.stats(),
    lateBytes,
    revisions: revisionsOf(models.rerankers, embedding),
    close: async () => {
      await inference.close();
      await texts.close();
      cache.close();
    },
  };
}

interface ConfiguredModels {
  readonly rerankers: readonly ResolvedModel[];
  /** With the names that they were configured by. */
  readonly embedding: readonly { readonly name: string; readonly model: ResolvedModel }[];
  /** Each file once. */
  readonly all: readonly ResolvedModel[];
}

async function resolveModels(config: Config): Promise<ConfiguredModels> {
  const { rerankModels, embeddingModels } = config.worker;
  const rerankers = await Promise.all(rerankModels.map((name) => resolveConfigured(config, name, 'cross-encoder')));
  const embedding = await Promise.all(
    embeddingModels.map(async (name) => ({ name, model: await resolveConfigured(config, name, 'embedder') })),
  );
  const both = [...rerankers, ...embedding.map(({ model }) => model)];
  await assertDistinctModels(both);
  return { rerankers, embedding, all: [...new Map(both.map((model) => [model.sha256, model])).values()] };
}

async function startTexts({ worker }: Config, models: readonly ResolvedModel[], log: Logger): Promise<TextPool> {
  return await TextPool.start({
    models,
    threads: worker.tokenizerThreads ?? defaultTokenizerThreads(worker.device, availableParallelism()),
    observer: TEXT_SPANS,
    onThreadDeath: (detail) => log.error({ detail }, 'A text thread died; another takes its place.'),
  });
}

/** With a queue for each model, and for each of its segments. */
function openScheduler(
  { inference, budgets, exits, variants }: Engine,
  models: readonly ResolvedModel[],
  { meter, maxBatchDelayMs }: { readonly meter: EngineMeter; readonly maxBatchDelayMs: number },
): BatchScheduler {
  return new BatchScheduler({
    models: models.flatMap(({ sha256, maxLength }) => {
      const separate = variants.get(sha256)?.separateFrom;
      const queueOf = (separateFrom: number | undefined, segment?: number): ScheduledModel => ({
        sha256,
        maxLength,
        maxBatchTokens: budgets.of(sha256, segment),
        ...(segment === undefined ? {} : { segment }),
        ...(separateFrom === undefined ? {} : { separateFrom }),
      });
      const segments = exits.get(sha256)?.segmented.segments ?? [];
      return [queueOf(separate?.whole), ...segments.map((_, segment) => queueOf(separate?.segments, segment))];
    }),
    // Whoever's work came last started the batch; the budget is everybody's.
    onBudgetLowered: (...lowered) => inFrame(undefined, () => budgets.lower(...lowered)),
    runners: inference.runners,
    maxBatchDelayMs,
    observer: new BatchSpans(meter, (sha256) => models.find((model) => model.sha256 === sha256)?.name ?? 'unknown'),
  });
}

function pairScorers(
  rerankers: readonly ResolvedModel[],
  { exits }: Engine,
  parts: { readonly encoder: TextPool; readonly scheduler: BatchScheduler; readonly exitObserver: ExitMeter },
): readonly { readonly scorer: PairScorer; readonly model: ResolvedModel }[] {
  const { scheduler, exitObserver: observer } = parts;
  return rerankers.map((model) => {
    const exit = exits.get(model.sha256);
    const earlyExit = exit && new EarlyExit(exit.model, { scheduler, pages: exit.pages, spanOf: pairSpans, observer });
    return { model, scorer: new PairScorer(model, { ...parts, earlyExit }) };
  });
}

interface WarmEmbedder {
  readonly name: string;
  readonly model: ResolvedModel & { readonly dimensions: number };
}

function openEmbedders(embedding: readonly WarmEmbedder[], texts: TextPool, scheduler: BatchScheduler): Embedders {
  return new Embedders(
    embedding.map(({ name, model }) => ({
      embedder: tracedEmbedder(new TextEmbedder({ queryPrefix: '', passagePrefix: '', ...model }, texts, scheduler)),
      names: [name],
    })),
  );
}

/** Runs every thread once, so that the first request finds sessions ready. Resolves to the width of each model's output, by sha256. */
async function warmUp(models: readonly ResolvedModel[], texts: TextPool, scheduler: BatchScheduler): Promise<ReadonlyMap<string, number>> {
  const widths = new Map<string, number>();
  for (const { sha256 } of models) {
    const encoded = await texts.encodeTexts(sha256, Array<string>(8).fill('warm up '.repeat(24)), '');
    const [row] = await scheduler.run(sha256, splitSequences(encoded), { priority: 'batch', alone: false });
    invariant(row, 'A model answered nothing to its warm-up.');
    widths.set(sha256, row.length);
  }
  return widths;
}

function revisionsOf(rerankers: readonly ResolvedModel[], embedding: readonly WarmEmbedder[]): ModelRevision[] {
  const revision = ({ name, kind, sha256, maxLength, precision }: ResolvedModel): ModelRevision => ({
    name,
    kind,
    sha256,
    maxLength,
    precision,
  });
  return [...rerankers.map(revision), ...embedding.map(({ model }) => ({ ...revision(model), dimensions: model.dimensions }))];
}
