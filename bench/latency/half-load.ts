import { setTimeout as sleep } from 'node:timers/promises';
import { isQuiet, verdict } from '../support/foreign-load.ts';
import { lindleySojourns, poissonArrivals } from '../support/ideal-queue.ts';
import { median, printTable, quantile } from '../support/report.ts';
import { rerankOverHttp, type LatencyBench } from './rerank-over-http.ts';

/** So many requests take turns, each with a service time of its own. */
const DISTINCT = 40;
/** The bare call of each, and the whole call on the idle stack, are timed so often before the run and again after it; the median of all counts. */
const REPEATS = 2;
/** What was sent in a turn is not sent in another: scores are kept. */
const IDLE_TURN = 50;
/** In flight while the capacity is measured: enough that no session idles. */
const IN_FLIGHT = 6;
const LOAD = 0.5;
/** The figures decide nothing if others took more of the cores. */
const FOREIGN_SHARE = 0.05;
const GOAL_MS = 20;

export interface HalfLoadOptions {
  readonly arrivals: number;
  readonly seed: number;
}

/** Milliseconds of one request with nothing beside it, each time it was measured. */
interface Times {
  readonly bare: number[];
  readonly whole: number[];
}

/** Open-loop arrivals at half of what the stack can do. Returns whether the goal is met. */
export async function measureHalfLoad(bench: LatencyBench, { arrivals: count, seed }: HalfLoadOptions): Promise<boolean> {
  const requests = pick(bench.requests, Math.min(DISTINCT, count));
  const picked = { ...bench, requests };
  const [cut] = (await bench.calls.rankCuts(requests)) as [string];
  const times = requests.map((): Times => ({ bare: [], whole: [] }));
  bench.load.begin();
  await timeAlone(picked, cut, times);
  const perSecond = await measureCapacity(picked);
  const arrivals = poissonArrivals(count, 1_000 / (perSecond * LOAD), seed);
  const measured = await play(picked, arrivals);
  await timeAlone(picked, cut, times);
  const foreign = bench.load.share();
  const services = (of: keyof Times): number[] => arrivals.map((_, at) => median(times[at % requests.length]![of]));
  const [bare, whole] = [services('bare'), services('whole')];
  console.log(
    `half load: ${count} requests of ${requests[0]!.documents.length} documents, ${(perSecond * LOAD).toFixed(2)}/s of ${perSecond.toFixed(2)}/s, seed ${seed}; ` +
      `others took ${(foreign * 100).toFixed(1)} % of the cores meanwhile\n` +
      `service times, medians of ${REPEATS * 2}: the bare call with all sessions (${cut}) ${median(bare).toFixed(1)} ms, the whole call ${median(whole).toFixed(1)} ms\n`,
  );
  const ideal = { bare: lindleySojourns(arrivals, bare), whole: lindleySojourns(arrivals, whole) };
  return report(measured, ideal, isQuiet(foreign, FOREIGN_SHARE));
}

/** Spread over the whole set. */
function pick<T>(items: readonly T[], count: number): T[] {
  return Array.from(
    { length: Math.min(count, items.length) },
    (_, at) => items[Math.floor((at * items.length) / Math.min(count, items.length))]!,
  );
}

async function timeAlone({ url, calls, requests }: LatencyBench, cut: string, times: readonly Times[]): Promise<void> {
  for (let repeat = 0; repeat < REPEATS; repeat += 1)
    for (const [at, request] of requests.entries()) {
      const { bare, whole } = times[at]!;
      bare.push(await calls.ms(request, cut));
      whole.push((await rerankOverHttp(url, request, IDLE_TURN + whole.length)).ms);
    }
}

/** Requests per second with several in flight. */
async function measureCapacity({ url, requests }: LatencyBench): Promise<number> {
  let next = 0;
  const client = async (): Promise<void> => {
    for (let at = next++; at < requests.length; at = next++) await rerankOverHttp(url, requests[at]!, 1);
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, client));
  return requests.length / ((performance.now() - started) / 1_000);
}

/** Milliseconds from each arrival to its answer: a request that the client sends late waited nonetheless. */
async function play({ url, requests }: LatencyBench, arrivals: readonly number[]): Promise<number[]> {
  const started = performance.now();
  return await Promise.all(
    arrivals.map(async (at, index) => {
      await sleep(at);
      await rerankOverHttp(url, requests[index % requests.length]!, 2 + Math.floor(index / requests.length));
      return performance.now() - started - at;
    }),
  );
}

function report(measured: readonly number[], ideal: Readonly<Record<keyof Times, readonly number[]>>, wasQuiet: boolean): boolean {
  const row = (name: string, of: (values: readonly number[]) => number): [string, ...string[]] => {
    const own = of(measured);
    const beside = [ideal.bare, ideal.whole].map(of).flatMap((value) => [value, own - value]);
    return [name, ...[own, ...beside].map((value) => value.toFixed(1))];
  };
  const p99 = (values: readonly number[]): number => quantile(values, 0.99);
  printTable(
    ['half load, ms', 'stack', 'ideal queue of bare calls', 'difference', 'ideal queue of whole calls', 'difference'],
    [
      row('mean', (values) => values.reduce((sum, value) => sum + value, 0) / values.length),
      row('p50', median),
      row('p90', (values) => quantile(values, 0.9)),
      row('p99', p99),
      row('worst', (values) => Math.max(...values)),
    ],
  );
  const outcomes = (['whole', 'bare'] as const).map((of) => {
    const difference = p99(measured) - p99(ideal[of]);
    const outcome = verdict(difference <= GOAL_MS, wasQuiet);
    console.log(`\np99 − p99 of the ideal queue of ${of} calls: ${difference.toFixed(1)} ms (goal: at most ${GOAL_MS}): ${outcome}`);
    return outcome === 'met';
  });
  return outcomes.every(Boolean);
}
