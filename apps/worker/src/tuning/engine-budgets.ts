import type { EngineBody } from '@rerank-fleet/core/contracts';
import type { Logger } from '@rerank-fleet/core/observability';
import type { Split } from './engine-shape.js';
import type { MemoryBound } from './tuning-cache.js';

export interface ModelBudget {
  readonly sha256: string;
  readonly name: string;
  /** Padded tokens of a batch. */
  readonly maxBatchTokens: number;
  readonly tuned: boolean;
  readonly bound: MemoryBound;
}

/** The batch budget of each model, as it is now. */
export class EngineBudgets {
  readonly #split: Split;
  readonly #log: Logger;
  readonly #models: Map<string, ModelBudget>;

  /** The first is the default reranker. */
  constructor(split: Split, models: readonly ModelBudget[], log: Logger) {
    this.#split = split;
    this.#models = new Map(models.map((model) => [model.sha256, model]));
    this.#log = log;
  }

  /** Padded tokens of a batch of the model. */
  of(sha256: string): number {
    return this.#models.get(sha256)?.maxBatchTokens ?? 1;
  }

  /** As it is announced. */
  get shape(): EngineBody {
    const models = [...this.#models.values()].map(({ name, maxBatchTokens, tuned }) => ({ name, max_batch_tokens: maxBatchTokens, tuned }));
    const { sessions, intraOpThreads } = this.#split;
    return {
      max_batch_tokens: models[0]?.max_batch_tokens ?? 1,
      sessions,
      intra_op_threads: intraOpThreads,
      tuned: models[0]?.tuned ?? false,
      models,
    };
  }

  /** A batch did not fit into memory. Later starts begin with this budget, too. */
  readonly lower = (sha256: string, maxBatchTokens: number): void => {
    const model = this.#models.get(sha256);
    if (model === undefined) return;
    this.#models.set(sha256, { ...model, maxBatchTokens });
    this.#log.warn(
      { model: model.name, max_batch_tokens: maxBatchTokens, kept: model.bound.path },
      'A batch did not fit into memory; the model has a smaller budget from now on, at later starts too. Delete the file when there is more memory.',
    );
    model.bound.write(maxBatchTokens).catch((error: unknown) => {
      this.#log.warn({ err: error }, 'The smaller budget cannot be kept; the next start finds it out again.');
    });
  };
}
