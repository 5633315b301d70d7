import { invariant } from '@rerank-fleet/core/errors';
import type { CrossEncoder, Effort, ExitWish, FullReason, PairRequest, PairScores } from '@rerank-fleet/core/ports';
import { pointAtRequest } from './point-at-request.js';
import { bestFirst, rankResults, type RankedResult, type RankOptions } from './rank-results.js';

export interface EncoderStage {
  readonly encoder: CrossEncoder;
  /** Absent in the last stage only. */
  readonly keep?: number;
}

/** How a passage fared in one stage. */
export interface StageScore {
  model: string;
  logit: number;
  /** Layers after which the passage left the stage; its logit is a prediction then. */
  exit_layer?: number;
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
  /** @defaultValue 'full' */
  readonly effort?: Effort;
}

export interface StagedScores {
  /** Name of the model of the last stage. */
  readonly model: string;
  /** Best first. */
  readonly results: StagedResult[];
  /** Of all pairs of all stages, special tokens included. */
  readonly promptTokens: number;
  /** Where fewer layers than all were asked for, by stage: why all ran. */
  readonly fullReasons: readonly (FullReason | undefined)[];
  /** Sums over the stages. */
  readonly timingsMs: PairScores['timingsMs'];
}

/** Of every stage so many keep their full logit at least: the first ten are what a reader sees and a measure counts. */
const LEAST_FULL = 10;

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
  for (const stage of stages) {
    const { encoder, keep } = stage;
    const wish = (indices: readonly number[]): ExitWish | undefined => exitWish(options, { keep, isLast: stage === last }, indices);
    const pass = await scoreSurvivors({ encoder, request, wish }, survivors);
    passes.push(pass);
    survivors = pass.ranked.slice(0, keep).map(({ index }) => index);
  }
  const results = rankResults(passes.at(-1)!.ranked, { ...options, topN: Math.min(options.topN, last.keep ?? Infinity) });
  return {
    model: last.encoder.name,
    results: options.explain ? explained(results, passes) : results,
    fullReasons: passes.map(({ fullReason }) => fullReason),
    promptTokens: sum(passes, ({ promptTokens }) => promptTokens),
    timingsMs: { tokenize: sum(passes, ({ timingsMs }) => timingsMs.tokenize), score: sum(passes, ({ timingsMs }) => timingsMs.score) },
  };
}

interface StagePass {
  readonly model: string;
  /** Everything that the stage scored, best first. */
  readonly ranked: readonly RankedResult[];
  readonly fullReason: FullReason | undefined;
  readonly promptTokens: number;
  readonly timingsMs: PairScores['timingsMs'];
}

interface StageWork {
  readonly encoder: CrossEncoder;
  readonly request: PairRequest;
  /** Given the positions of what the stage scores. */
  readonly wish: (indices: readonly number[]) => ExitWish | undefined;
}

async function scoreSurvivors({ encoder, request, wish }: StageWork, survivors: readonly number[]): Promise<StagePass> {
  // In the order of the request: what a stage is asked depends on who survived, not on how well.
  const indices = survivors.toSorted((a, b) => a - b);
  const passages = indices.map((index) => request.passages[index]!);
  const exit = wish(indices);
  const asked = { ...request, passages, ...(exit === undefined ? {} : { exit }) };
  const { scores, timingsMs, fullReason } = await encoder.score(asked).catch((error: unknown) => {
    throw indices.length === request.passages.length ? error : pointAtRequest(error, encoder, indices);
  });
  const ranked = scores.map((score, at) => ({ ...score, index: indices[at]! })).sort(bestFirst);
  return { model: encoder.name, ranked, fullReason, promptTokens: sum(scores, ({ tokens }) => tokens), timingsMs };
}

/** What the next stage, or the client, gets needs its full logit. */
function exitWish(
  { effort = 'full', topN, minLogit, groupKey }: StagesOptions,
  { keep, isLast }: { readonly keep: number | undefined; readonly isLast: boolean },
  indices: readonly number[],
): ExitWish | undefined {
  if (effort === 'full') return undefined;
  const wanted = isLast ? Math.min(topN, keep ?? Infinity) : (keep ?? Infinity);
  return {
    effort,
    atLeast: Math.max(wanted, LEAST_FULL),
    ...(isLast && minLogit !== undefined ? { minLogit } : {}),
    ...(isLast && groupKey !== undefined ? { groups: indices.map(groupKey) } : {}),
  };
}

function explained(results: readonly RankedResult[], passes: readonly StagePass[]): StagedResult[] {
  const told = passes.map(({ model, ranked }) => new Map(ranked.map((scored, at) => [scored.index, stageScore(model, scored, at + 1)])));
  return results.map((result) => ({ ...result, stages: told.map((stage) => stage.get(result.index)!) }));
}

function stageScore(model: string, { logit, exitLayer }: RankedResult, rank: number): StageScore {
  return { model, logit, rank, ...(exitLayer === undefined ? {} : { exit_layer: exitLayer }) };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
