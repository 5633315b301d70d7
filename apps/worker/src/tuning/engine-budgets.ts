import type { EngineBody } from '@rerank-fleet/core/contracts';
import type { Logger } from '@rerank-fleet/core/observability';
import type { Split } from './engine-shape.js';
import type { MemoryBound } from './tuning-cache.js';

export interface SegmentBudget {
  /** First and last, counted from 1: `3-4`. */
  readonly layers: string;
  /** Padded tokens of a batch. */
  readonly maxBatchTokens: number;
  readonly tuned: boolean;
}

export interface ModelBudget {
  readonly sha256: string;
  readonly name: string;
  /** Padded tokens of a batch. */
  readonly maxBatchTokens: number;
  readonly tuned: boolean;
  readonly bound: MemoryBound;
  /** In the order of the layers; absent where the model runs whole. */
  readonly segments?: readonly SegmentBudget[] | undefined;
}

/** The batch budget of each model and of its segments, as it is now. */
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

  /** Padded tokens of a batch of the model, or of one of its segments. */
  of(sha256: string, segment?: number): number {
    const model = this.#models.get(sha256);
    return (segment === undefined ? undefined : model?.segments?.[segment]?.maxBatchTokens) ?? model?.maxBatchTokens ?? 1;
  }

  /** As it is announced. */
  get shape(): EngineBody {
    const models = [...this.#models.values()].map(({ name, segments, ...budget }) => ({
      name,
      ...describe(budget),
      ...(segments === undefined ? {} : { segments: segments.map((own) => ({ layers: own.layers, ...describe(own) })) }),
    }));
    const { sessions, intraOpThreads } = this.#split;
    return {
      max_batch_tokens: models[0]?.max_batch_tokens ?? 1,
      sessions,
      intra_op_threads: intraOpThreads,
      tuned: models[0]?.tuned ?? false,
      models,
    };
  }

  /** A batch did not fit into memory. Later starts begin with this budget, too; but for one of a segment, which the whole model took the place of. */
  readonly lower = (sha256: string, maxBatchTokens: number, segment?: number): void => {
    const model = this.#models.get(sha256);
    if (model === undefined) return;
    if (segment !== undefined) {
      const segments = model.segments?.map((own, at) => (at === segment ? { ...own, maxBatchTokens } : own));
      this.#models.set(sha256, { ...model, segments });
      this.#log.warn(
        { model: model.name, layers: segments?.[segment]?.layers, max_batch_tokens: maxBatchTokens },
        'A batch of a segment did not fit into memory; the segment has a smaller budget until the worker ends.',
      );
      return;
    }
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

const describe = ({ maxBatchTokens, tuned }: Pick<ModelBudget, 'maxBatchTokens' | 'tuned'>) => ({
  max_batch_tokens: maxBatchTokens,
  tuned,
});
