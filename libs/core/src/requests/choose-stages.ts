import type { TaskStage } from '../contracts/index.js';
import { mostResultsOf, type Stage } from '../domain/index.js';
import { invariant } from '../errors/index.js';
import type { ModelPin, RerankerNeeds } from './route-request.js';

/** The rerankers that a request goes through. */
export interface StageChoice {
  readonly reranker: RerankerNeeds;
  /** The most results that may come back. */
  readonly mostResults: number;
  /** With the files that the router found, one a stage. */
  pin(models: readonly ModelPin[]): TaskStage[];
}

interface AskedModels {
  readonly model?: string | undefined;
  readonly stages?: readonly Stage[] | undefined;
}

/** A request's own model or stages win over those of its corpus; without either it is the default model's. */
export function chooseStages({ model, stages: asked }: AskedModels, ofCorpus?: readonly Stage[]): StageChoice {
  const stages = asked ?? (model === undefined ? ofCorpus : undefined);
  if (stages !== undefined) {
    const names = stages.map((stage) => stage.model);
    return {
      reranker: { kind: 'stages', names, of: asked === undefined ? 'corpus' : 'request' },
      mostResults: mostResultsOf(stages),
      pin: (models) => pinned(models, stages),
    };
  }
  return {
    reranker: model === undefined ? { kind: 'default' } : { kind: 'named', name: model },
    mostResults: Infinity,
    pin: (models) => pinned(models, [{}]),
  };
}

function pinned(models: readonly ModelPin[], stages: readonly Pick<Stage, 'keep'>[]): TaskStage[] {
  invariant(models.length === stages.length ? models : undefined, 'A request was routed with another number of models than it has stages.');
  return stages.map(({ keep }, position) => ({ model: { ...models[position]! }, ...(keep === undefined ? {} : { keep }) }));
}
