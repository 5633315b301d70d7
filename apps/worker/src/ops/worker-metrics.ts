import type { EngineBody } from '@rerank-fleet/core/contracts';
import { MetricSet, WORKER_METRICS } from '@rerank-fleet/core/observability';

export type WorkerMetrics = MetricSet<typeof WORKER_METRICS>;
export type WorkerInstruments = WorkerMetrics['instruments'];

export function createWorkerMetrics(): WorkerMetrics {
  return new MetricSet(WORKER_METRICS);
}

/** What is looked at when somebody scrapes. */
export interface ScrapedWorker {
  /** Names of the models that batches are made of. */
  readonly models: readonly string[];
  readonly engine: () => EngineBody;
  readonly pairsWaiting: () => number;
  readonly cacheEntries: () => number;
}

export function collectWorker(metrics: WorkerMetrics, { models, engine, pairsWaiting, cacheEntries }: ScrapedWorker): void {
  const { pairsWaiting: waiting, cacheEntries: entries, ...instruments } = metrics.instruments;
  const { engineBudget, engineSegmentBudget, engineSessions, engineThreads, engineTuned } = instruments;
  metrics.addCollector({
    name: 'engine',
    gauges: [waiting, entries, engineBudget, engineSegmentBudget, engineSessions, engineThreads, engineTuned],
    read: async () => () => {
      const shape = engine();
      waiting.set(pairsWaiting());
      entries.set(cacheEntries());
      for (const model of models) {
        engineSessions.set(shape.sessions, { model });
        engineThreads.set(shape.intra_op_threads, { model });
      }
      for (const { name: model, max_batch_tokens: budget, tuned, segments = [] } of budgetsOf(shape, models)) {
        engineBudget.set(budget, { model });
        for (const { layers, max_batch_tokens: own } of segments) engineSegmentBudget.set(own, { model, layers });
        engineTuned.set(tuned ? 1 : 0, { model });
      }
    },
  });
}

/** A worker that says no more of its budgets has one, of its first model. */
function budgetsOf(shape: EngineBody, [first]: readonly string[]): NonNullable<EngineBody['models']> {
  if (shape.models !== undefined) return shape.models;
  return first === undefined ? [] : [{ name: first, max_batch_tokens: shape.max_batch_tokens, tuned: shape.tuned }];
}
