import type { RunningStack } from '@rerank-fleet/cli/up/index';
import type { CandidateList, Judgements } from '../support/evaluation-data.ts';
import { ForeignLoad, verdict } from '../support/foreign-load.ts';
import { meanNdcg } from '../support/ndcg.ts';
import { describeMachine, printTable } from '../support/report.ts';
import { withOwnStack } from '../support/with-stack.ts';
import { EFFORTS, measureEfforts, type EffortFigures, type EffortRun } from './efforts.ts';
import { fitOwn } from './fit-own.ts';
import { HeadsCaches } from './heads-cache.ts';

/** Goals on TREC DL 2019. */
const GOALS = { balanced: { ratio: 2.1, loss: 0.003 }, fast: { ratio: 2.8, loss: 0.012 } } as const;

export interface EvaluationSet {
  readonly name: string;
  /** Candidates of a query. */
  readonly depth: number;
  readonly lists: readonly CandidateList[];
  readonly judgements: Judgements;
}

export interface EffortsOptions {
  readonly rounds: number;
  /** `default`: those that come with the worker; `own`: fitted on the set's own texts. None named: those that a worker of this machine has. */
  readonly heads: readonly string[];
  /** Pairs that own heads are fitted on. */
  readonly fitPairs: number;
  /** Where own heads are kept. */
  readonly folder?: string | undefined;
}

interface Worker {
  readonly heads?: string;
  readonly stack: RunningStack;
}

/** Pairs per second and nDCG@10 of each effort, and of each kind of heads where several are named; all layers run once a round. */
export async function benchEfforts(set: EvaluationSet, options: EffortsOptions): Promise<void> {
  if (options.heads.length === 0) {
    await withOwnStack((stack) => measure(set, [{ stack }], options));
    return;
  }
  const unknown = options.heads.find((heads) => heads !== 'default' && heads !== 'own');
  if (unknown !== undefined) throw new Error(`There are no heads "${unknown}": say default, own or both.`);
  const caches = await HeadsCaches.open(options.folder);
  try {
    await withWorkers(options.heads, { set, options, caches });
  } finally {
    await caches.close();
  }
}

/** Starts a stack for each kind of heads, and measures them beside each other: those that wait take nothing. */
async function withWorkers(
  heads: readonly string[],
  parts: { readonly set: EvaluationSet; readonly options: EffortsOptions; readonly caches: HeadsCaches },
  started: readonly Worker[] = [],
): Promise<void> {
  const { set, options, caches } = parts;
  const [next, ...others] = heads;
  if (next === undefined) {
    await measure(set, started, options);
    return;
  }
  const home = await caches.homeOf(next === 'own' ? `own-${set.name}-${options.fitPairs}` : next);
  if (next === 'own' && !(await caches.hasHeads(home))) await fit(set.name, home, options.fitPairs);
  await withOwnStack((stack) => withWorkers(others, parts, [...started, { heads: next, stack }]), { XDG_CACHE_HOME: home });
}

async function fit(set: string, cacheHome: string, pairs: number): Promise<void> {
  const begun = performance.now();
  const { heads, pairs: fitted, queries } = await fitOwn({ set, cacheHome, pairs });
  const seconds = Math.round((performance.now() - begun) / 1_000);
  console.log(`Own heads: ${fitted} pairs of ${queries} training queries of ${set}, in ${seconds} s`);
  printTable(
    ['after layer', 'head', 'σ', 'correlation', 'within a query'],
    heads.map(({ layer, kind, sigma, correlation, correlation_within_query: within }) => [
      String(layer),
      kind,
      sigma.toFixed(3),
      correlation.toFixed(3),
      within.toFixed(3),
    ]),
  );
  console.log('');
}

/** All layers by the first worker, and what is less by each. */
function runsOf(workers: readonly Worker[]): EffortRun[] {
  const run = ({ heads, stack }: Worker, effort: EffortRun['effort']): EffortRun => ({
    effort,
    url: stack.url,
    ...(heads === undefined || effort === 'full' ? {} : { heads }),
  });
  return [run(workers[0]!, 'full'), ...workers.flatMap((worker) => EFFORTS.slice(1).map((effort) => run(worker, effort)))];
}

async function measure(
  { name, depth, lists, judgements }: EvaluationSet,
  workers: readonly Worker[],
  { rounds }: EffortsOptions,
): Promise<void> {
  const load = new ForeignLoad(() => workers.flatMap(({ stack }) => [...stack.pids().values()]));
  const { figures, quiet } = await measureEfforts({ runs: runsOf(workers), lists, judgements, load }, rounds);
  const first = meanNdcg(new Map(lists.map(({ queryId, documentIds }) => [queryId, documentIds])), judgements, 10);
  console.log(
    `${describeMachine()}\n${name}: ${lists.length} queries, BM25's best ${depth} (nDCG@10 ${first.toFixed(4)}); ${quiet} quiet rounds of ${rounds}\n`,
  );
  const named = workers.some(({ heads }) => heads !== undefined);
  printTable(
    ['effort', ...(named ? ['heads'] : []), 'pairs/s', '÷ full', 'nDCG@10', 'less than full', 'by query', 'requests that ran all layers'],
    figures.map((row) => rowOf(row, named)),
  );
  console.log('\nless than full: ± its standard error by the rounds, where there are several; by query: that by the queries.');
  if (name === 'trec-dl19' && !named) judge(figures, quiet > 0);
}

function rowOf({ run, pairsPerS, ratio, ndcg, loss, lossByRound, lossByQuery, ranFull }: EffortFigures, named: boolean): string[] {
  const speed = [pairsPerS.toFixed(1), ratio.toFixed(2), ndcg.toFixed(4)];
  const names = [run.effort, ...(named ? [run.heads ?? ''] : [])];
  if (run.effort === 'full') return [...names, ...speed, '', '', ''];
  const byRound = Number.isNaN(lossByRound) ? '' : ` ± ${lossByRound.toFixed(4)}`;
  const byQuery = Number.isNaN(lossByQuery) ? '' : `± ${lossByQuery.toFixed(4)}`;
  return [...names, ...speed, `${loss.toFixed(4)}${byRound}`, byQuery, String(ranFull)];
}

function judge(figures: readonly EffortFigures[], wasQuiet: boolean): void {
  console.log('');
  for (const effort of ['balanced', 'fast'] as const) {
    const goal = GOALS[effort];
    const { ratio, loss } = figures.find(({ run }) => run.effort === effort)!;
    const outcome = verdict(ratio >= goal.ratio && loss <= goal.loss, wasQuiet);
    console.log(`${effort}: at least ${goal.ratio} × within ${goal.loss} of full: ${outcome}`);
    if (outcome === 'NOT met') process.exitCode = 1;
  }
}
