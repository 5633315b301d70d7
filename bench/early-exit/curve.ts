import { availableParallelism } from 'node:os';
import { loadConfig } from '@rerank-fleet/core/config';
import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { createLogger } from '@rerank-fleet/core/observability';
import { exitAtStart } from '@rerank-fleet/worker/composition/exit-at-start';
import { fastVariant } from '@rerank-fleet/worker/composition/fast-variant';
import { inferenceModel } from '@rerank-fleet/worker/composition/resolve-configured';
import { pairSpans } from '@rerank-fleet/worker/exits/pair-spans';
import { InferencePool } from '@rerank-fleet/worker/inference/inference-pool';
import { BatchScheduler } from '@rerank-fleet/worker/pipeline/batch-scheduler';
import { EarlyExit, type ExitObserver } from '@rerank-fleet/worker/pipeline/early-exit';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import type { TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { TextPool } from '@rerank-fleet/worker/tokenization/text-pool';
import { childEnvironment } from '../../test/support/environment.ts';
import type { CandidateList, Judgements } from '../support/evaluation-data.ts';
import { meanNdcg } from '../support/ndcg.ts';

export interface CurvePoint {
  /** Standard deviations; Infinity: nobody leaves. */
  readonly margin: number;
  readonly pairsPerS: number;
  readonly ratio: number;
  /** Of all layers of all pairs. */
  readonly layers: number;
  readonly ndcg: number;
  /** Root of the mean square of what predictions were off by, of pairs that ran to the end, by layer; in standard deviations of the fit. */
  readonly off: ReadonlyMap<number, number>;
}

const MARGINS = [Infinity, 3, 2.5, 2, 1.75, 1.5, 1.25, 1, 0.75, 0.5, 0.25, 0];
const IN_FLIGHT = 6;
const AT_LEAST = 10;
const BUDGET = 512;

interface Tokenized {
  readonly list: CandidateList;
  readonly sequences: readonly TokenSequence[];
}

/** One pass over all lists for each margin, in the engine alone: tokenized before, no queue. */
export async function measureCurve(lists: readonly CandidateList[], judgements: Judgements): Promise<CurvePoint[]> {
  const config = loadConfig(childEnvironment({}));
  const log = createLogger({ level: 'warn', process: 'bench' });
  const model = await resolveModel(DEFAULT_RERANKER, { cacheDirectory: defaultCacheDirectory(config.models.cacheHome) });
  const texts = await TextPool.start({ models: [model], threads: 1 });
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
    const tokenized: Tokenized[] = [];
    for (const list of lists) {
      const encoded = await texts.encodePairs(model.sha256, { query: list.query, passages: list.documents, policy: 'truncate' });
      tokenized.push({ list, sequences: splitSequences(encoded) });
    }
    const segments = [undefined, ...exit.segmented.segments.keys()];
    const queues = segments.map((segment) => ({
      sha256: model.sha256,
      maxBatchTokens: BUDGET,
      ...(segment === undefined ? {} : { segment }),
    }));
    const scheduler = new BatchScheduler({ models: queues, runners: pool.runners, maxBatchDelayMs: 2 });
    const points: CurvePoint[] = [];
    for (const margin of [Infinity, ...MARGINS]) {
      const layers = new LayerCount();
      const margins = exit.model.cuts.map(() => margin);
      const spanOf = (sequence: TokenSequence): readonly [number, number, number, number] => {
        const { queryStart, queryEnd, passageStart, passageEnd } = pairSpans(sequence);
        return [queryStart, queryEnd, passageStart, passageEnd];
      };
      const earlyExit = new EarlyExit(
        { ...exit.model, margins: { balanced: margins, fast: margins } },
        { scheduler, pages: exit.pages, observer: layers, spanOf },
      );
      const { seconds, rankings } = await runAll(tokenized, earlyExit);
      const pairsPerS = tokenized.reduce((sum, { sequences }) => sum + sequences.length, 0) / seconds;
      const ratio = pairsPerS / (points[0]?.pairsPerS ?? pairsPerS);
      points.push({ margin, pairsPerS, ratio, layers: layers.share, off: layers.off, ndcg: meanNdcg(rankings, judgements, 10) });
    }
    // The first pass warmed up.
    const [, base, ...others] = points as [CurvePoint, CurvePoint, ...CurvePoint[]];
    return [base, ...others].map((point) => ({ ...point, ratio: point.pairsPerS / base.pairsPerS }));
  } finally {
    await pool.close();
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
