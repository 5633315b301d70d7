import { byLogitThenIndex } from '@rerank-fleet/core/domain';
import { invariant } from '@rerank-fleet/core/errors';
import type { CrossEncoder, PairRequest, PairScores } from '@rerank-fleet/core/ports';
import { pointAtRequest } from './point-at-request.js';
import { rankResults, type RankedResult, type RankOptions } from './rank-results.js';

export interface EncoderStage {
  readonly encoder: CrossEncoder;
  /** Absent in the last stage only. */
  readonly keep?: number;
}

/** How a passage fared in one stage. */
export interface StageScore {
  model: string;
  logit: number;
  /** From 1, among the passages that the stage scored. */
  rank: number;
}

export interface StagedResult extends RankedResult {
  /** In the order of the stages, where they were asked for. */
  readonly stages?: StageScore[];
}

export interface StagesOptions extends RankOptions {
  /** Results tell how they fared in each stage. */
  readonly explain: boolean;
}

export interface StagedScores {
  /** Name of the model of the last stage. */
  readonly model: string;
  /** Best first. */
  readonly results: StagedResult[];
  /** Of all pairs of all stages, special tokens included. */
  readonly promptTokens: number;
  /** Sums over the stages. */
  readonly timingsMs: PairScores['timingsMs'];
}

/**
 * Steps 6 to 9: each stage scores the passages that the one before it kept, the best by logit; the last one orders. `minLogit` and `groupKey` hold in the last
 * stage only, where `keep` counts results. A single model is a cascade of one stage. Indices are positions in `request.passages`.
 *
 * @throws RerankError what a cross-encoder throws
 */
export async function runStages(stages: readonly EncoderStage[], request: PairRequest, options: StagesOptions): Promise<StagedScores> {
  const last = stages.at(-1);
  invariant(last, 'A cascade has no stage.');
  const passes: StagePass[] = [];
  let survivors: readonly number[] = [...request.passages.keys()];
  for (const { encoder, keep } of stages) {
    const pass = await scoreSurvivors(encoder, request, survivors);
    passes.push(pass);
    survivors = pass.ranked.slice(0, keep).map(({ index }) => index);
  }
  const results = rankResults(passes.at(-1)!.ranked, { ...options, topN: Math.min(options.topN, last.keep ?? Infinity) });
  return {
    model: last.encoder.name,
    results: options.explain ? explained(results, passes) : results,
    promptTokens: sum(passes, ({ promptTokens }) => promptTokens),
    timingsMs: { tokenize: sum(passes, ({ timingsMs }) => timingsMs.tokenize), score: sum(passes, ({ timingsMs }) => timingsMs.score) },
  };
}

interface StagePass {
  readonly model: string;
  /** Everything that the stage scored, best first. */
  readonly ranked: readonly RankedResult[];
  readonly promptTokens: number;
  readonly timingsMs: PairScores['timingsMs'];
}

async function scoreSurvivors(encoder: CrossEncoder, request: PairRequest, survivors: readonly number[]): Promise<StagePass> {
  // In the order of the request: what a stage is asked depends on who survived, not on how well.
  const indices = survivors.toSorted((a, b) => a - b);
  const passages = indices.map((index) => request.passages[index]!);
  const { scores, timingsMs } = await encoder.score({ ...request, passages }).catch((error: unknown) => {
    throw indices.length === request.passages.length ? error : pointAtRequest(error, encoder, indices);
  });
  const ranked = scores.map((score, at) => ({ ...score, index: indices[at]! })).sort(byLogitThenIndex);
  return { model: encoder.name, ranked, promptTokens: sum(scores, ({ tokens }) => tokens), timingsMs };
}

function explained(results: readonly RankedResult[], passes: readonly StagePass[]): StagedResult[] {
  const told = passes.map(({ model, ranked }) => new Map(ranked.map(({ index, logit }, at) => [index, { model, logit, rank: at + 1 }])));
  return results.map((result) => ({ ...result, stages: told.map((stage) => stage.get(result.index)!) }));
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
