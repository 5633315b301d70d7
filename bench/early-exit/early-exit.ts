/**
 * Early exit through the whole stack: pairs per second and nDCG@10 of each `effort`, the candidates being BM25's best hundred. Every round runs each effort once, so that
 * a machine that slows down slows all of them down.
 *
 *   npm run bench:early-exit                       TREC DL 2019, 3 rounds: 4 minutes
 *   npm run bench:early-exit -- --set scifact      also nfcorpus; 40 queries
 *   npm run bench:early-exit -- --curve --svg FILE quality against speed for margins, engine only
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readCandidateLists, readJudgements, type CandidateList, type Judgements } from '../support/evaluation-data.ts';
import { findCandidates } from '../support/bm25-candidates.ts';
import { ForeignLoad, verdict } from '../support/foreign-load.ts';
import { meanNdcg } from '../support/ndcg.ts';
import { describeMachine, printTable } from '../support/report.ts';
import { withOwnStack } from '../support/with-stack.ts';
import { renderCurve } from './curve-plot.ts';
import { measureCurve } from './curve.ts';
import { EFFORTS, measureEfforts, type EffortFigures } from './efforts.ts';

const DEPTH = 100;
/** Of the sets with many queries: the first so many. */
const QUERIES = 40;
/** Goals on TREC DL 2019. */
const GOALS = { balanced: { ratio: 2.1, loss: 0.003 }, fast: { ratio: 2.8, loss: 0.012 } } as const;

const { values } = parseArgs({
  options: {
    set: { type: 'string', default: 'trec-dl19' },
    rounds: { type: 'string', default: '3' },
    queries: { type: 'string' },
    curve: { type: 'boolean', default: false },
    svg: { type: 'string' },
  },
});

interface EvaluationSet {
  readonly lists: readonly CandidateList[];
  readonly judgements: Judgements;
}

async function readSet(name: string): Promise<EvaluationSet> {
  const judgements = await readJudgements(name, 'test.tsv');
  const all = name === 'trec-dl19' ? await readCandidateLists(name, 'bm25-top100.tsv') : await findCandidates(name, 'test.tsv', DEPTH);
  const most = values.queries === undefined ? (name === 'trec-dl19' ? Infinity : QUERIES) : Number(values.queries);
  return { lists: all.slice(0, most), judgements };
}

function isMet({ effort, ratio, loss }: EffortFigures): boolean {
  if (effort === 'full') return true;
  const goal = GOALS[effort];
  return ratio >= goal.ratio && loss <= goal.loss;
}

async function benchEfforts(name: string, { lists, judgements }: EvaluationSet): Promise<void> {
  await withOwnStack(async (stack) => {
    const load = new ForeignLoad(() => stack.pids().values());
    const rounds = Number(values.rounds);
    const { figures, quiet } = await measureEfforts({ url: stack.url, lists, judgements, load }, rounds);
    const first = meanNdcg(new Map(lists.map(({ queryId, documentIds }) => [queryId, documentIds])), judgements, 10);
    console.log(
      `${describeMachine()}\n${name}: ${lists.length} queries, BM25's best ${DEPTH} (nDCG@10 ${first.toFixed(4)}); ${quiet} quiet rounds of ${rounds}\n`,
    );
    printTable(
      ['effort', 'pairs/s', '÷ full', 'nDCG@10', 'less than full', 'requests that ran all layers'],
      figures.map(({ effort, pairsPerS, ratio, ndcg, loss, lossError, ranFull }) => [
        effort,
        pairsPerS.toFixed(1),
        ratio.toFixed(2),
        ndcg.toFixed(4),
        effort === 'full' ? '' : `${loss.toFixed(4)} ± ${lossError.toFixed(4)}`,
        effort === 'full' ? '' : String(ranFull),
      ]),
    );
    if (name !== 'trec-dl19') return;
    for (const effort of EFFORTS.slice(1) as (keyof typeof GOALS)[]) {
      const { ratio, loss } = GOALS[effort];
      const outcome = verdict(isMet(figures.find((each) => each.effort === effort)!), quiet > 0);
      console.log(`${effort === 'balanced' ? '\n' : ''}${effort}: at least ${ratio} × within ${loss} of full: ${outcome}`);
      if (outcome === 'NOT met') process.exitCode = 1;
    }
  });
}

async function benchCurve(name: string, set: EvaluationSet): Promise<void> {
  const points = await measureCurve(set.lists, set.judgements);
  console.log(`${describeMachine()}\n${name}: ${set.lists.length} queries, engine only\n`);
  printTable(
    ['margin in σ', 'pairs/s', '÷ all layers', 'share of layers run', 'nDCG@10'],
    points.map(({ margin, pairsPerS, ratio, layers, ndcg }) => [
      margin === Infinity ? 'none leaves' : margin.toFixed(2),
      pairsPerS.toFixed(1),
      ratio.toFixed(2),
      `${(layers * 100).toFixed(0)} %`,
      ndcg.toFixed(4),
    ]),
  );
  const off = [...(points[0]?.off ?? [])].map(([layer, sigmas]) => `${sigmas.toFixed(2)} after layer ${layer}`);
  console.log(`\nWhere none leaves, predictions are off by so many σ of the fit (root mean square): ${off.join(', ')}`);
  if (values.svg !== undefined) await writeFile(values.svg, renderCurve(points, name));
}

const set = await readSet(values.set);
await (values.curve ? benchCurve(values.set, set) : benchEfforts(values.set, set));
