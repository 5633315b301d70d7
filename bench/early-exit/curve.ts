import { availableParallelism } from 'node:os';
import { loadConfig } from '@rerank-fleet/core/config';
import { invariant } from '@rerank-fleet/core/errors';
import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { createLogger } from '@rerank-fleet/core/observability';
import { exitAtStart, type ModelExit } from '@rerank-fleet/worker/composition/exit-at-start';
import { fastVariant } from '@rerank-fleet/worker/composition/fast-variant';
import { inferenceModel } from '@rerank-fleet/worker/composition/resolve-configured';
import { EXIT_MARGINS } from '@rerank-fleet/worker/exits/exit-margins';
import { pairSpans } from '@rerank-fleet/worker/exits/pair-spans';
import { InferencePool } from '@rerank-fleet/worker/inference/inference-pool';
import { BatchScheduler } from '@rerank-fleet/worker/pipeline/batch-scheduler';
import { EarlyExit, type ExitObserver } from '@rerank-fleet/worker/pipeline/early-exit';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import type { TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { TextPool } from '@rerank-fleet/worker/tokenization/text-pool';
import { childEnvironment } from '../../test/support/environment.ts';
import type { CandidateList } from '../support/evaluation-data.ts';
import { ForeignLoad, isQuiet } from '../support/foreign-load.ts';
import { meanNdcg } from '../support/ndcg.ts';
import { median } from '../support/report.ts';
import type { EvaluationSet } from './bench-efforts.ts';
import type { CurvePoint } from './curve-plot.ts';
import { FOREIGN_SHARE, mean, shuffled } from './efforts.ts';

/** Standard deviations, largest first; those of the efforts are among them. */
const MARGINS = [...new Set([3, 2.5, 2, 1.5, 1, 0.75, ...Object.values(EXIT_MARGINS)])].sort((a, b) => b - a);
const IN_FLIGHT = 6;
const AT_LEAST = 10;
const BUDGET = 512;

export interface Curve {
  /** The first is the one that no pair leaves early. */
  readonly points: readonly CurvePoint[];
  /** Root of the mean square of what predictions were off by where none leaves, by layer; in standard deviations of the fit. */
  readonly off: ReadonlyMap<number, number>;
  /** Rounds in which others took next to nothing. */
  readonly quiet: number;
}

interface Tokenized {
  readonly list: CandidateList;
  readonly sequences: readonly TokenSequence[];
}

/** A pass over all lists for each margin a round, each round in another order, in the engine alone: tokenized before, no queue. */
export async function measureCurve({ lists, judgements }: Pick<EvaluationSet, 'lists' | 'judgements'>, rounds: number): Promise<Curve> {
  return await withEngine(async ({ texts, pool, exit, sha256, separateFrom }) => {
    const tokenized: Tokenized[] = [];
    for (const list of lists) {
      const encoded = await texts.encodePairs(sha256, { query: list.query, passages: list.documents, policy: 'truncate' });
      tokenized.push({ list, sequences: splitSequences(encoded) });
    }
    const queues = [...exit.segmented.segments.keys()].map((segment) => ({ sha256, maxBatchTokens: BUDGET, segment, separateFrom }));
    const scheduler = new BatchScheduler({ models: queues, runners: pool.runners, maxBatchDelayMs: 2 });
    const pass = async (margin: number, order: readonly Tokenized[]): Promise<Pass> => {
      const layers = new LayerCount();
      const margins = exit.model.cuts.map(() => margin);
      const model = { ...exit.model, margins: { balanced: margins, fast: margins } };
      const earlyExit = new EarlyExit(model, { scheduler, pages: exit.pages, observer: layers, spanOf: pairSpans });
      const { seconds, rankings } = await runAll(order, earlyExit);
      return { seconds, layers: layers.share, off: layers.off, ndcg: meanNdcg(rankings, judgements, 10) };
    };
    await pass(Infinity, tokenized.slice(0, IN_FLIGHT));
    const passes: Pass[][] = [];
    const load = new ForeignLoad(() => []);
    let quiet = 0;
    for (let round = 0; round < rounds; round += 1) {
      const order = shuffled(tokenized, round);
      const own: Pass[] = [];
      load.begin();
      for (const margin of [Infinity, ...MARGINS]) own.push(await pass(margin, order));
      if (isQuiet(load.share(), FOREIGN_SHARE)) quiet += 1;
      passes.push(own);
    }
    const pairs = tokenized.reduce((sum, { sequences }) => sum + sequences.length, 0);
    return { points: [Infinity, ...MARGINS].map((margin, at) => pointOf(margin, at, { passes, pairs })), off: passes[0]![0]!.off, quiet };
  });
}

interface Pass {
  readonly seconds: number;
  readonly layers: number;
  readonly off: ReadonlyMap<number, number>;
  readonly ndcg: number;
}

function pointOf(
  margin: number,
  at: number,
  { passes, pairs }: { readonly passes: readonly (readonly Pass[])[]; readonly pairs: number },
): CurvePoint {
  const own = passes.map((round) => round[at]!);
  const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
  return {
    margin: margin === Infinity ? null : margin,
    pairsPerS: rounded(pairs / median(own.map(({ seconds }) => seconds)), 1),
    ratio: rounded(median(passes.map((round) => round[0]!.seconds / round[at]!.seconds)), 3),
    layers: rounded(mean(own.map(({ layers }) => layers)), 4),
    ndcg: rounded(mean(own.map(({ ndcg }) => ndcg)), 4),
  };
}

interface Engine {
  readonly texts: TextPool;
  readonly pool: InferencePool;
  readonly exit: ModelExit;
  readonly sha256: string;
  /** Of its segments, in tokens. */
  readonly separateFrom: number;
}

/** The default model in segments, on a session a core. */
async function withEngine<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
  const config = loadConfig(childEnvironment({}));
  const log = createLogger({ level: 'warn', process: 'bench' });
  const model = await resolveModel(DEFAULT_RERANKER, { cacheDirectory: defaultCacheDirectory(config.models.cacheHome) });
  const texts = await TextPool.start({ models: [model], threads: 1 });
  try {
    const fast = await fastVariant(model, { config, log, encoder: texts });
    const exit = await exitAtStart(model, fast, { config, log });
    if (exit === undefined) throw new Error('The default model has no heads, or cannot be cut.');
    const pool = await InferencePool.start({
      models: [{ ...inferenceModel(model, fast), segmented: exit.segmented }],
      device: 'cpu',
      intraOpThreads: 1,
      threads: availableParallelism(),
      batchTimeoutMs: 60_000,
      onHang: (detail) => {
        throw new Error(detail);
      },
      onThreadDeath: (detail) => log.error({ detail }, 'An inference thread died.'),
    });
    try {
      return await work({ texts, pool, exit, sha256: model.sha256, separateFrom: fast?.separateFrom?.segments ?? Infinity });
    } finally {
      await pool.close();
    }
  } finally {
    await texts.close();
  }
}

async function runAll(
  tokenized: readonly Tokenized[],
  earlyExit: EarlyExit,
): Promise<{ readonly seconds: number; readonly rankings: ReadonlyMap<string, readonly string[]> }> {
  const rankings = new Map<string, readonly string[]>();
  const waiting = [...tokenized];
  const started = performance.now();
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { list, sequences } = next;
      const scores = await earlyExit.score(sequences, { wish: { effort: 'fast', atLeast: AT_LEAST } }, { priority: 'sync', alone: false });
      invariant(scores, 'Batch work holds the memory of a bench that has none.');
      const ranked = [...scores.keys()]
        .filter((at) => scores[at]!.exitLayer === undefined)
        .sort((a, b) => scores[b]!.logit - scores[a]!.logit);
      rankings.set(
        list.queryId,
        ranked.map((at) => list.documentIds[at]!),
      );
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return { seconds: (performance.now() - started) / 1_000, rankings };
}

class LayerCount implements ExitObserver {
  #run = 0;
  #possible = 0;
  readonly #squares = new Map<number, { sum: number; count: number }>();

  get off(): ReadonlyMap<number, number> {
    return new Map([...this.#squares].map(([layer, { sum, count }]) => [layer, Math.sqrt(sum / count)]));
  }

  get share(): number {
    return this.#run / this.#possible;
  }

  cutMade(): void {
    // What ended is counted below.
  }

  pairsEnded({ pairs, layersRun, layers }: Parameters<ExitObserver['pairsEnded']>[0]): void {
    this.#run += pairs * layersRun;
    this.#possible += pairs * layers;
  }

  predictionOff({ layer, sigmas }: Parameters<ExitObserver['predictionOff']>[0]): void {
    const { sum, count } = this.#squares.get(layer) ?? { sum: 0, count: 0 };
    this.#squares.set(layer, { sum: sum + sigmas * sigmas, count: count + 1 });
  }

  ranFull(): void {
    throw new Error('A request ran all layers.');
  }
}
