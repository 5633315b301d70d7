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
/** One list of so many warms up: sessions are loaded, and code compiled. */
const WARM_UP = 8;
/** A slow machine is no fault. */
const TIMEOUT_MS = 300_000;
/** A round in which others took more of the cores is left out. */
export const FOREIGN_SHARE = 0.05;

/** One way to answer, timed in turn with others. */
export interface EffortRun {
  readonly effort: Effort;
  readonly url: string;
  /** Tells runs of one effort apart. */
  readonly heads?: string;
}

export interface EffortBench {
  /** The others are compared with the first. */
  readonly runs: readonly EffortRun[];
  readonly lists: readonly CandidateList[];
  readonly judgements: Judgements;
  readonly load: ForeignLoad;
}

export interface EffortFigures {
  readonly run: EffortRun;
  readonly pairsPerS: number;
  /** Pairs per second ÷ those of the first run, round by round. */
  readonly ratio: number;
  /** Mean over the rounds: int8 answers depend on batch mates, and each round has others. */
  readonly ndcg: number;
  /** Less that of the first run, mean over the rounds. */
  readonly loss: number;
  /** Its standard error by the rounds: what batch mates do. NaN of one round. */
  readonly lossByRound: number;
  /** Its standard error by the queries, each the mean of its rounds: what other queries would do. */
  readonly lossByQuery: number;
  /** Requests of the first round that ran all layers although less was asked for. */
  readonly ranFull: number;
}

interface Pass {
  readonly seconds: number;
  readonly rankings: ReadonlyMap<string, readonly string[]>;
  readonly ranFull: number;
}

interface Round {
  /** By run. */
  readonly passes: readonly Pass[];
  readonly isQuiet: boolean;
}

/** Every run in turn, `rounds` times, each round with the queries in an order of its own. */
export async function measureEfforts(
  bench: EffortBench,
  rounds: number,
): Promise<{ readonly figures: readonly EffortFigures[]; readonly quiet: number }> {
  const { runs, lists, load } = bench;
  const few = Math.min(IN_FLIGHT, Math.ceil(lists.length / WARM_UP));
  for (const run of runs) await runAll(run, lists.slice(0, few));
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    load.begin();
    const passes: Pass[] = [];
    const order = shuffled(lists, round);
    for (const run of runs) passes.push(await runAll(run, order));
    measured.push({ passes, isQuiet: isQuiet(load.share(), FOREIGN_SHARE) });
  }
  const quiet = measured.filter((round) => round.isQuiet);
  return { figures: runs.map((_, at) => figuresOf(at, measured, bench)), quiet: quiet.length };
}

function figuresOf(at: number, measured: readonly Round[], { runs, lists, judgements }: EffortBench): EffortFigures {
  const quiet = measured.filter((round) => round.isQuiet);
  const counted = (quiet.length > 0 ? quiet : measured).map(({ passes }) => [passes[at]!, passes[0]!] as const);
  const pairs = lists.reduce((sum, { documents }) => sum + documents.length, 0);
  // Quality does not depend on who else had the cores.
  const quality = (of: number): number[] => measured.map(({ passes }) => meanNdcg(passes[of]!.rankings, judgements, TOP_N));
  const [own, whole] = [quality(at), quality(0)];
  const losses = own.map((ndcg, round) => whole[round]! - ndcg);
  return {
    run: runs[at]!,
    pairsPerS: pairs / median(counted.map(([{ seconds }]) => seconds)),
    ratio: median(counted.map(([pass, base]) => base.seconds / pass.seconds)),
    ndcg: mean(own),
    loss: mean(losses),
    lossByRound: standardError(losses),
    lossByQuery: standardError(lossesOfQueries(at, measured, judgements)),
    ranFull: measured[0]!.passes[at]!.ranFull,
  };
}

function lossesOfQueries(at: number, measured: readonly Round[], judgements: Judgements): number[] {
  const queries = [...(measured[0]?.passes[0]?.rankings.keys() ?? [])];
  return queries.flatMap((query) => {
    const of = (pass: Pass): number => meanNdcg(new Map([[query, pass.rankings.get(query) ?? []]]), judgements, TOP_N);
    const loss = mean(measured.map(({ passes }) => of(passes[0]!) - of(passes[at]!)));
    // Nothing is relevant to it.
    return Number.isNaN(loss) ? [] : [loss];
  });
}

/** The same for every run of a round, and of the bench. */
export function shuffled<T>(items: readonly T[], round: number): T[] {
  const order = Int32Array.from(items.keys());
  new SeededRandom(round).shuffle(order);
  return Array.from(order, (at) => items[at]!);
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the mean. */
function standardError(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1) / values.length);
}

async function runAll({ url, effort }: EffortRun, lists: readonly CandidateList[]): Promise<Pass> {
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
    body: JSON.stringify({ ...body, top_n: TOP_N, explain: true, timeout_ms: TIMEOUT_MS }),
  });
  if (!response.ok) throw new Error(`/v1/rerank answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}
