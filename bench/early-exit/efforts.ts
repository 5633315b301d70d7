import type { Effort } from '@rerank-fleet/core/ports';
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
  readonly ndcg: number;
  /** Requests that ran all layers although less was asked for. */
  readonly ranFull: number;
}

interface Pass {
  readonly seconds: number;
  readonly rankings: ReadonlyMap<string, readonly string[]>;
  readonly ranFull: number;
}

/** Every effort in turn, `rounds` times. */
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
    for (const effort of EFFORTS) byEffort.set(effort, await runAll(bench, effort));
    passes.push({ byEffort, isQuiet: isQuiet(load.share(), FOREIGN_SHARE) });
  }
  const quiet = passes.filter((pass) => pass.isQuiet);
  const counted = quiet.length > 0 ? quiet : passes;
  const pairs = lists.reduce((sum, { documents }) => sum + documents.length, 0);
  const figures = EFFORTS.map((effort): EffortFigures => {
    const own = counted.map(({ byEffort }) => byEffort.get(effort)!);
    return {
      effort,
      pairsPerS: pairs / median(own.map(({ seconds }) => seconds)),
      ratio: median(counted.map(({ byEffort }) => byEffort.get('full')!.seconds / byEffort.get(effort)!.seconds)),
      ndcg: median(own.map(({ rankings }) => meanNdcg(rankings, judgements, TOP_N))),
      ranFull: own[0]!.ranFull,
    };
  });
  return { figures, quiet: quiet.length };
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
