import { setTimeout as sleep } from 'node:timers/promises';
import { isQuiet, verdict } from '../support/foreign-load.ts';
import { median, printTable } from '../support/report.ts';
import { rerankOverHttp, type LatencyBench, type TimedCall } from './rerank-over-http.ts';

/** Of the ways to cut, so many run against the worker. */
const FINALISTS = 3;
/** A worker that idles has worked before: until some hundred requests went through, V8 runs much of the way uncompiled. Of short documents, so that it takes seconds. */
const WARM_UPS = 300;
const WARM_UP_CHARACTERS = 40;
/** Of whole documents, so that the worker knows how long batches take. */
const WHOLE_WARM_UPS = 3;
/** A turn in which others took more of the cores is left out. */
const FOREIGN_SHARE = 0.05;
/** A median of fewer says little. */
const LEAST_TURNS = 10;
/** Threads of a wide session spin on after its run, and would have a part of the cores. */
const SPIN_MS = 100;
const GOAL_MS = 5;

interface Turn {
  /** By the way to cut. */
  readonly bare: ReadonlyMap<string, number>;
  readonly oneRun: number;
  readonly call: TimedCall;
  readonly foreign: number;
}

/** One request at a time; the p50 of the whole request against the p50 of the bare call. Returns whether the goal is met. */
export async function measureIdle(bench: LatencyBench, turns: number): Promise<boolean> {
  const { calls, requests } = bench;
  await warmUp(bench);
  const cuts = (await calls.rankCuts(requests)).slice(0, FINALISTS);
  const all: Turn[] = [];
  for (let turn = 0; turn < turns; turn += 1) all.push(await takeTurn(bench, cuts, turn));
  const quiet = all.filter(({ foreign }) => isQuiet(foreign, FOREIGN_SHARE));
  console.log(
    `idle, ${requests[0]!.documents.length} documents a request: ${quiet.length} quiet turns of ${all.length}; ` +
      `others took ${(median(all.map(({ foreign }) => foreign)) * 100).toFixed(1)} % of the cores in the median turn\n`,
  );
  const wasQuiet = quiet.length >= LEAST_TURNS;
  return report(wasQuiet ? quiet : all, cuts, wasQuiet);
}

async function warmUp({ url, requests }: LatencyBench): Promise<void> {
  for (let turn = 0; turn < WARM_UPS; turn += 1) {
    const { query, documents } = requests[turn % requests.length]!;
    await rerankOverHttp(url, { query, documents: documents.map((text) => text.slice(0, WARM_UP_CHARACTERS)) }, turn);
  }
  for (const request of requests.slice(0, WHOLE_WARM_UPS)) await rerankOverHttp(url, request, 0);
}

async function takeTurn({ url, calls, load, requests }: LatencyBench, cuts: readonly string[], turn: number): Promise<Turn> {
  const request = requests[turn % requests.length]!;
  load.begin();
  const oneRun = await calls.oneRunMs(request);
  await sleep(SPIN_MS);
  const bare = new Map<string, number>();
  for (const cut of cuts) bare.set(cut, await calls.ms(request, cut));
  const call = await rerankOverHttp(url, request, turn + 1);
  return { bare, oneRun, call, foreign: load.share() };
}

function report(turns: readonly Turn[], cuts: readonly string[], wasQuiet: boolean): boolean {
  const p50 = (of: (turn: Turn) => number): number => median(turns.map(of));
  const best = cuts.map((cut) => ({ cut, ms: p50(({ bare }) => bare.get(cut)!) })).sort((a, b) => a.ms - b.ms)[0]!;
  const whole = p50(({ call }) => call.ms);
  const oneRun = p50((turn) => turn.oneRun);
  const rows: [string, number][] = [
    ['bare call, all pairs in one run', oneRun],
    ...cuts.map((cut): [string, number] => [`bare calls side by side, ${cut}`, p50(({ bare }) => bare.get(cut)!)]),
    ['whole request', whole],
    ['of it: waiting in the queue', p50(({ call }) => call.timings.queue)],
    ['of it: tokenizing', p50(({ call }) => call.timings.tokenize)],
    ['of it: scoring', p50(({ call }) => call.timings.score)],
    ['of it: all the rest', p50(({ call: { ms, timings } }) => ms - timings.queue - timings.tokenize - timings.score)],
    ['scoring − bare, turn by turn', p50(({ bare, call }) => call.timings.score - bare.get(best.cut)!)],
    ['whole − bare, turn by turn', p50(({ bare, call }) => call.ms - bare.get(best.cut)!)],
  ];
  printTable(
    ['idle, p50', 'ms'],
    rows.map(([name, ms]) => [name, ms.toFixed(1)]),
  );
  const outcomes = [['the bare call', oneRun] as const, [`bare calls side by side, cut as is best (${best.cut})`, best.ms] as const].map(
    ([name, ms]) => {
      const outcome = verdict(whole - ms <= GOAL_MS, wasQuiet);
      console.log(`\np50 − p50 of ${name}: ${(whole - ms).toFixed(1)} ms (goal: at most ${GOAL_MS}): ${outcome}`);
      return outcome === 'met';
    },
  );
  return outcomes.every(Boolean);
}
