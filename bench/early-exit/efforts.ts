import type { Effort } from '@rerank-fleet/core/ports';
import { SeededRandom } from '@rerank-fleet/worker/exits/seeded-random';
import type { CandidateList, Judgements } from '../support/evaluation-data.ts';
import { isQuiet, type ForeignLoad } from '../support/foreign-load.ts';
import { meanNdcg } from '../support/ndcg.ts';
import { median } from '../support/report.ts';

export const EFFORTS: readonly Effort[] = ['full', 'balanced', 'fast'];
/** So that the worker always has the next request, and survivors of several are there at once. */
const IN_FLIGHT = 6;
const TOP_N = 10;
/** A round in which others took more of the cores is left out. */
export const FOREIGN_SHARE = 0.05;

export interface EffortBench {
  readonly url: string;
  readonly lists: readonly CandidateList[];
  readonly judgements: Judgements;
  readonly load: ForeignLoad;
}

export interface EffortFigures {
  readonly effort: Effort;
  readonly pairsPerS: number;
  /** Pairs per second ÷ those of `full`, round by round. */
  readonly ratio: number;
  /** Mean over the rounds: int8 answers depend on batch mates, and each round has others. */
  readonly ndcg: number;
  /** Less that of `full`, mean over the rounds, and its standard error. */
  readonly loss: number;
  readonly lossError: number;
  /** Requests that ran all layers although less was asked for. */
  readonly ranFull: number;
}

interface Pass {
  readonly seconds: number;
  readonly rankings: ReadonlyMap<string, readonly string[]>;
  readonly ranFull: number;
}

/** Every effort in turn, `rounds` times, each round with the queries in an order of its own. */
export async function measureEfforts(
  bench: EffortBench,
  rounds: number,
): Promise<{ readonly figures: readonly EffortFigures[]; readonly quiet: number }> {
  const { lists, judgements, load } = bench;
  for (const effort of EFFORTS) await runAll({ ...bench, lists: lists.slice(0, IN_FLIGHT) }, effort);
  const passes: { readonly byEffort: ReadonlyMap<Effort, Pass>; readonly isQuiet: boolean }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    load.begin();
    const byEffort = new Map<Effort, Pass>();
    const lists = shuffled(bench.lists, round);
    for (const effort of EFFORTS) byEffort.set(effort, await runAll({ ...bench, lists }, effort));
    passes.push({ byEffort, isQuiet: isQuiet(load.share(), FOREIGN_SHARE) });
  }
  const quiet = passes.filter((pass) => pass.isQuiet);
  const counted = quiet.length > 0 ? quiet : passes;
  const pairs = lists.reduce((sum, { documents }) => sum + documents.length, 0);
  const figures = EFFORTS.map((effort): EffortFigures => {
    const own = counted.map(({ byEffort }) => byEffort.get(effort)!);
    // Quality does not depend on who else had the cores.
    const [quality, whole] = [effort, 'full' as const].map((of) =>
      passes.map(({ byEffort }) => meanNdcg(byEffort.get(of)!.rankings, judgements, TOP_N)),
    ) as [number[], number[]];
    const losses = quality.map((ndcg, round) => whole[round]! - ndcg);
    return {
      effort,
      pairsPerS: pairs / median(own.map(({ seconds }) => seconds)),
      ratio: median(counted.map(({ byEffort }) => byEffort.get('full')!.seconds / byEffort.get(effort)!.seconds)),
      ndcg: mean(quality),
      loss: mean(losses),
      lossError: standardError(losses),
      ranFull: own[0]!.ranFull,
    };
  });
  return { figures, quiet: quiet.length };
}

/** The same for every effort of a round, and every run of the bench. */
function shuffled<T>(items: readonly T[], round: number): T[] {
  const order = Int32Array.from(items.keys());
  new SeededRandom(round).shuffle(order);
  return Array.from(order, (at) => items[at]!);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the mean. */
function standardError(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / Math.max(1, values.length - 1) / values.length);
}

async function runAll({ url, lists }: EffortBench, effort: Effort): Promise<Pass> {
  const rankings = new Map<string, readonly string[]>();
  const waiting = [...lists];
  let ranFull = 0;
  const started = performance.now();
  const client = async (): Promise<void> => {
    for (let list = waiting.shift(); list !== undefined; list = waiting.shift()) {
      const { results, effort: report } = await rerank(url, { query: list.query, documents: list.documents, effort });
      const { documentIds, queryId } = list;
      rankings.set(
        queryId,
        results.map(({ index }) => documentIds[index]!),
      );
      if (effort !== 'full' && report.stages[0]?.ran === 'full') ranFull += 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, client));
  return { seconds: (performance.now() - started) / 1_000, rankings, ranFull };
}

interface Answer {
  readonly results: readonly { readonly index: number }[];
  readonly effort: { readonly stages: readonly { readonly ran: Effort; readonly reason?: string }[] };
}

async function rerank(
  url: string,
  body: { readonly query: string; readonly documents: readonly string[]; readonly effort: Effort },
): Promise<Answer> {
  const response = await fetch(`${url}/v1/rerank`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, top_n: TOP_N, explain: true }),
  });
  if (!response.ok) throw new Error(`/v1/rerank answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}
