/**
 * Pairs per second through a worker (Redis, queue, tokenizer, planner, model, publish) ÷ a bare onnxruntime-node loop over the same pairs, tokenized, sorted by
 * length and padded beforehand. Both run in turn, in one run; the bare loop at its best batch and split of threads.
 *
 *   npm run bench:engine [-- --set trec|scifact|both --pairs 4300 --rounds 3]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { TaskDispatcher } from '@rerank-fleet/api/dispatch/task-dispatcher';
import { HEARTBEAT_MS } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { fillBatches, tokenizeSorted } from '../support/bare-batches.ts';
import { BareLoop } from '../support/bare-loop.ts';
import { findCandidates } from '../support/bm25-candidates.ts';
import { graphOf, resolveDefaultModel, unseen } from '../support/default-model.ts';
import { readCandidateLists, type CandidateList } from '../support/evaluation-data.ts';
import { ForeignLoad, isQuiet, verdict } from '../support/foreign-load.ts';
import { openDispatcher } from '../support/open-dispatcher.ts';
import { describeMachine, median, printTable } from '../support/report.ts';
import { withOwnStack } from '../support/with-stack.ts';

const BARE_BUDGETS = [512, 1_024, 1_536, 2_048];
/** Of the pairs, one in so many serves to choose the two bare loops that run against the worker. */
const SCREENED = 4;
const FINALISTS = 2;
/** A turn in which others took more of the cores is made again, up to so many times the rounds. */
const FOREIGN_SHARE = 0.05;
const PATIENCE = 3;
const TIMEOUT_MS = 3_600_000;
const GOAL = { ratio: 0.95, waste: 0.1 };

interface PairSet {
  readonly title: string;
  /** Pairs of a turn, where the caller does not say: turns of some ten seconds on two cores. */
  readonly pairs: number;
  readonly read: () => Promise<CandidateList[]>;
}

const SETS: Readonly<Record<string, PairSet>> = {
  trec: { title: "trec-dl19, BM25's top 100", pairs: 1_000, read: () => readCandidateLists('trec-dl19', 'bm25-top100.tsv') },
  scifact: { title: 'scifact (long passages), our BM25 top 50', pairs: 300, read: () => findCandidates('scifact', 'test.tsv', 50) },
};

const { values: flags } = parseArgs({
  options: { set: { type: 'string', default: 'both' }, pairs: { type: 'string' }, rounds: { type: 'string', default: '3' } },
});
const model = await resolveDefaultModel();
const graph = await graphOf(model);

interface Contender {
  readonly loop: BareLoop;
  readonly budget: number;
}

/** The first lists, the last of them cut, so that they hold `pairs` together. */
function firstPairs(lists: readonly CandidateList[], pairs: number): CandidateList[] {
  let left = pairs;
  return lists.flatMap((list) => {
    const documents = list.documents.slice(0, left);
    left -= documents.length;
    return documents.length === 0 ? [] : [{ ...list, documents }];
  });
}

async function throughWorker(dispatcher: TaskDispatcher, { query, queryId }: CandidateList, documents: string[]): Promise<void> {
  await dispatcher.call({
    queue: 'sync',
    tenant: 'bench',
    requestId: queryId,
    pool: 'default',
    timeoutMs: TIMEOUT_MS,
    signal: new AbortController().signal,
    body: {
      kind: 'rerank',
      stages: [{ model: { name: model.name, sha256: model.sha256 } }],
      query,
      documents,
      top_n: 10,
      long_document: 'truncate',
      deterministic: false,
    },
  });
}

async function measureWorker(dispatcher: TaskDispatcher, lists: readonly CandidateList[], turn: number): Promise<number> {
  const bodies = lists.map((list) => unseen(list.documents, turn));
  const started = performance.now();
  await Promise.all(lists.map((list, position) => throughWorker(dispatcher, list, bodies[position]!)));
  return performance.now() - started;
}

const nameOf = ({ loop, budget }: Contender): string => `bare, ${loop.name}, ${budget} tokens`;

async function startContenders(): Promise<Contender[]> {
  const cores = availableParallelism();
  const splits = [...new Set([1, cores])].map((sessions) => ({ sessions, intraOpThreads: cores / sessions }));
  const loops: BareLoop[] = [];
  for (const split of splits) loops.push(await BareLoop.start(graph, split));
  return loops.flatMap((loop) => BARE_BUDGETS.map((budget) => ({ loop, budget })));
}

async function bestContenders(contenders: readonly Contender[], sorted: ReturnType<typeof tokenizeSorted>): Promise<Contender[]> {
  const sample = sorted.filter((_, position) => position % SCREENED === 0);
  const timed: { contender: Contender; ms: number }[] = [];
  for (const contender of contenders) {
    // The first batches of a session allocate its memory.
    await contender.loop.run(fillBatches(sample.slice(0, contender.loop.split.sessions), contender.budget));
    const ms = await contender.loop.run(fillBatches(sample, contender.budget));
    timed.push({ contender, ms });
  }
  timed.sort((a, b) => a.ms - b.ms);
  console.log(
    `chosen on ${sample.length} pairs, pairs/s: ${timed.map(({ contender, ms }) => `${nameOf(contender)} ${rate(sample.length, ms)}`).join('; ')}\n`,
  );
  return timed.slice(0, FINALISTS).map(({ contender }) => contender);
}

const rate = (pairs: number, ms: number): string => ((pairs / ms) * 1_000).toFixed(1);

async function measureSet({ title, pairs: standard, read }: PairSet): Promise<boolean> {
  const lists = firstPairs(await read(), Number(flags.pairs ?? standard));
  const sorted = tokenizeSorted(model, lists);
  const pairs = sorted.length;
  const tokens = sorted.reduce((sum, { ids }) => sum + ids.length, 0);
  console.log(`${title}: ${pairs} pairs, ${(tokens / pairs).toFixed(0)} tokens on average, ${sorted[0]!.ids.length} at most`);
  let met = false;
  await withOwnStack(async (stack) => {
    const { dispatcher, fleet, close } = await openDispatcher(stack.redisUrl);
    const load = new ForeignLoad(() => stack.pids().values());
    const contenders = await startContenders();
    const finalists = await bestContenders(contenders, sorted);
    let turn = 0;
    const ways = new Map<string, () => Promise<number>>([
      ['worker, end to end', () => measureWorker(dispatcher, lists, (turn += 1))],
      ...finalists.map((contender) => [nameOf(contender), () => contender.loop.run(fillBatches(sorted, contender.budget))] as const),
    ]);
    const turns = await takeTurns(ways, load);
    await sleep(HEARTBEAT_MS + 1_000);
    const waste = (await fleet.live())[0]?.stats?.padding_waste ?? Number.NaN;
    met = report(pairs, turns, waste);
    for (const loop of new Set(contenders.map((contender) => contender.loop))) await loop.stop();
    await close();
  });
  return met;
}

interface Turns {
  /** Milliseconds by way. */
  readonly times: ReadonlyMap<string, readonly number[]>;
  /** All ways had quiet turns, and only these count. */
  readonly wereQuiet: boolean;
}

async function takeTurns(ways: ReadonlyMap<string, () => Promise<number>>, load: ForeignLoad): Promise<Turns> {
  const rounds = Number(flags.rounds);
  const all = new Map([...ways.keys()].map((name) => [name, [] as number[]]));
  const quiet = new Map([...ways.keys()].map((name) => [name, [] as number[]]));
  const isEnough = (): boolean => [...quiet.values()].every(({ length }) => length >= rounds);
  for (let round = 0; round < rounds * PATIENCE && !isEnough(); round += 1) {
    for (const [name, run] of ways) {
      load.begin();
      const ms = await run();
      all.get(name)!.push(ms);
      if (isQuiet(load.share(), FOREIGN_SHARE)) quiet.get(name)!.push(ms);
    }
  }
  for (const [name, { length }] of quiet) console.log(`${name}: ${length} quiet turns of ${all.get(name)!.length}`);
  console.log();
  const wereQuiet = [...quiet.values()].every(({ length }) => length > 0);
  return { times: wereQuiet ? quiet : all, wereQuiet };
}

function report(pairs: number, { times, wereQuiet }: Turns, waste: number): boolean {
  const [[, through], ...bare] = [...times].map(([name, ms]) => [name, median(ms)] as const) as [[string, number], ...[string, number][]];
  printTable(
    ['way', 'pairs/s', 'worker ÷ it'],
    [
      ['worker, end to end', rate(pairs, through), '1.000'],
      ...bare.map(([name, ms]) => [name, rate(pairs, ms), (ms / through).toFixed(3)]),
    ],
  );
  const ratio = Math.min(...bare.map(([, ms]) => ms)) / through;
  const outcome = verdict(ratio >= GOAL.ratio && waste < GOAL.waste, wereQuiet);
  console.log(
    `\nworker ÷ best bare loop: ${ratio.toFixed(3)} (goal: at least ${GOAL.ratio}); padding waste ${(waste * 100).toFixed(1)} % ` +
      `(goal: below ${GOAL.waste * 100} %): ${outcome}\n`,
  );
  return outcome === 'met';
}

const names = flags.set === 'both' ? Object.keys(SETS) : [flags.set];
const sets = names.map((name) => SETS[name]);
if (sets.includes(undefined)) throw new Error(`There is no set "${flags.set}"; take ${Object.keys(SETS).join(', ')} or both.`);
console.log(`${describeMachine()}\n${model.name} (${model.precision}), ${flags.rounds} rounds in turn, medians\n`);
for (const set of sets) if (!(await measureSet(set!))) process.exitCode = 1;
