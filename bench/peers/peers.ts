/**
 * Pairs per second through a worker (Redis, queue, tokenizer, model, publish) ÷ those of other libraries: the same ONNX file and texts, in turns, in one run; each
 * library as it comes, and at its best batch with pairs sorted by length.
 *
 *   npm run bench:peers [-- --pairs 600 --rounds 3 --search 200 --only fastembed --patience 20]
 *   npm run bench:peers -- --effort   the worker with less than all layers beside those that it has goals against, as they come; all queries unless --pairs says
 *
 * A turn waits up to `--patience` seconds for other programs to come to rest. The first run makes virtual environments in `<cache>/rerank-fleet/bench-peers`: some 12 GB, because torch brings CUDA from PyPI.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { chosen } from '../../test/support/environment.ts';
import { readCandidateLists, readJudgements, type CandidateList } from '../support/evaluation-data.ts';
import { describeMachine, median, printTable } from '../support/report.ts';
import { withOwnStack } from '../support/with-stack.ts';
import { agreementOf, type Agreement } from './agreement.ts';
import { EFFORTS, effortRoundsOf, effortRow, takeEffortTurn } from './effort-rounds.ts';
import { OwnWorker } from './own-worker.ts';
import { startPeers, type StartedPeer } from './peer-list.ts';
import type { Scored, Setting, TextList } from './peer-process.ts';
import { settle } from './settle.ts';

const PAIRS = 600;
const BATCHES = [1, 4, 8, 16, 32];
const DEFAULT: Setting = { batch: null, sorted: false };
const BEST_GOAL = 1.4;
/** Below it a peer did other work, and a ratio would say nothing. */
const LEAST_CORRELATION = 0.99;

/** How busy other programs were when a turn began. */
const disturbance: number[] = [];

const { values: flags } = parseArgs({
  options: {
    pairs: { type: 'string' },
    effort: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    search: { type: 'string', default: '200' },
    only: { type: 'string', default: '' },
    patience: { type: 'string', default: '20' },
  },
});

interface Measured {
  readonly peer: StartedPeer;
  readonly setting: Setting;
  readonly rates: number[];
  readonly ratios: number[];
  readonly cpuMs: number[];
  agreement?: Agreement;
}

const atRest = async (): Promise<void> => void disturbance.push(await settle(Number(flags.patience) * 1_000));

type Own = Pick<Measured, 'rates' | 'cpuMs'>;

const pairsOf = (lists: readonly TextList[]): number => lists.reduce((sum, { documents }) => sum + documents.length, 0);

/** Whole lists, and as much of one more as the number asks for. */
function firstPairs(lists: readonly CandidateList[], pairs: number): CandidateList[] {
  const taken: CandidateList[] = [];
  for (const list of lists) {
    const left = pairs - pairsOf(taken);
    const { documents, documentIds } = list;
    if (left > 0) taken.push({ ...list, documents: documents.slice(0, left), documentIds: documentIds.slice(0, left) });
  }
  return taken;
}

/** The fastest batch by a short run each; the library's own choice is run too, so that every process is warm. */
async function findBest(peer: StartedPeer, lists: readonly CandidateList[], missing: string[]): Promise<Setting[]> {
  const queries = firstPairs(lists, Number(flags.search)).length;
  const pairs = pairsOf(lists.slice(0, queries));
  const rates = new Map<Setting, number>();
  for (const setting of [DEFAULT, ...BATCHES.map((batch) => ({ batch, sorted: true }))]) {
    await atRest();
    try {
      rates.set(setting, pairs / (await peer.process.score(queries, setting)).seconds);
    } catch (error) {
      missing.push(`${peer.process.name}, ${describe(setting)}: ${String(error)}`);
    }
  }
  console.log(`  ${peer.process.name}: ${[...rates].map(([setting, rate]) => `${describe(setting)} ${rate.toFixed(0)}`).join(', ')}`);
  const [best] = [...rates].filter(([setting]) => setting !== DEFAULT).sort(([, a], [, b]) => b - a);
  return [...(rates.has(DEFAULT) ? [DEFAULT] : []), ...(best === undefined ? [] : [best[0]])];
}

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

const describe = ({ batch, sorted }: Setting): string => (batch === null ? 'default' : `${sorted ? 'sorted, ' : ''}batch ${batch}`);

async function takeTurns(worker: OwnWorker, measured: readonly Measured[], lists: readonly TextList[]): Promise<Own> {
  const pairs = pairsOf(lists);
  const own: Own = { rates: [], cpuMs: [] };
  for (let round = 0; round < Number(flags.rounds); round += 1) {
    let ours: Scored | undefined;
    for (const [position, each] of measured.entries()) {
      // Once a peer is often enough: its settings follow within seconds.
      if (ours === undefined || measured[position - 1]?.peer !== each.peer) {
        await atRest();
        ours = await worker.score(lists);
        own.rates.push(pairs / ours.seconds);
        own.cpuMs.push(ours.cpuMs / pairs);
      }
      await atRest();
      const theirs = await each.peer.process.score(lists.length, each.setting);
      each.rates.push(pairs / theirs.seconds);
      each.cpuMs.push(theirs.cpuMs / pairs);
      each.ratios.push(theirs.seconds / ours.seconds);
      each.agreement = agreementOf(ours.logits, theirs.logits);
    }
  }
  return own;
}

function rowOf({ peer, setting, rates, ratios, cpuMs, agreement }: Measured): string[] {
  const goal = setting === DEFAULT ? peer.defaultGoal : BEST_GOAL;
  const same = agreement!.correlation > LEAST_CORRELATION;
  const ratio = median(ratios);
  return [
    `${peer.process.name} ${peer.process.version}`,
    describe(setting),
    median(rates).toFixed(1),
    median(cpuMs).toFixed(1),
    same ? ratio.toFixed(2) : 'other scores',
    goal === undefined ? '' : `≥ ${goal}`,
    goal === undefined || !same ? '' : ratio >= goal ? 'met' : 'missed',
    agreement!.correlation.toFixed(4),
    `${agreement!.meanDifference.toFixed(2)} / ${agreement!.worstDifference.toFixed(2)}`,
    agreement!.tau.toFixed(3),
  ];
}

const root = join(defaultCacheDirectory(chosen('XDG_CACHE_HOME')), 'bench-peers');
const model = await resolveModel(DEFAULT_RERANKER, { cacheDirectory: defaultCacheDirectory(chosen('XDG_CACHE_HOME')) });
const lists = firstPairs(
  await readCandidateLists('trec-dl19', 'bm25-top100.tsv'),
  Number(flags.pairs ?? (flags.effort ? Infinity : PAIRS)),
);
const { peers, missing: unable } = await startPeers({ root, model, lists, only: flags.only });
const missing = [...unable];
const stopPeers = (): void => peers.forEach(({ process }) => process.stop());
process.once('exit', stopPeers);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const describeRun = (): string =>
  `${describeMachine()}\n${model.name} (${model.precision}), ${pairsOf(lists)} pairs of trec-dl19, ${flags.rounds} rounds in turn, medians; ` +
  `other programs took ${percent(median(disturbance))} of the machine as a turn began, ${percent(Math.max(...disturbance))} at most\n`;

async function compare(worker: OwnWorker): Promise<void> {
  console.log(`looking for the best batch of each, pairs/s over ${pairsOf(firstPairs(lists, Number(flags.search)))} pairs:`);
  const measured: Measured[] = [];
  for (const peer of peers)
    for (const setting of await findBest(peer, lists, missing)) measured.push({ peer, setting, rates: [], ratios: [], cpuMs: [] });
  const own = await takeTurns(worker, measured, lists);
  console.log(`\n${describeRun()}`);
  printTable(
    ['library', 'setting', 'pairs/s', 'CPU ms a pair', 'worker ÷ it', 'goal', '', 'r of logits', 'Δ mean / worst', 'tau'],
    [
      ['worker, end to end', 'default', median(own.rates).toFixed(1), median(own.cpuMs).toFixed(1), '1.00', '', '', '', '', ''],
      ...measured.map((each) => rowOf(each)),
    ],
  );
}

async function compareEfforts(worker: OwnWorker): Promise<void> {
  const data = { lists, judgements: await readJudgements('trec-dl19', 'test.tsv') };
  const compared = effortRoundsOf(peers);
  for (const effort of EFFORTS) await worker.score(lists.slice(0, 1), effort);
  for (const { peer } of compared) await peer.process.score(1, DEFAULT);
  for (let round = 0; round < Number(flags.rounds); round += 1) {
    for (const each of compared) {
      await atRest();
      await takeEffortTurn(worker, each, data);
    }
  }
  console.log(describeRun());
  printTable(
    ['library, as it comes', 'effort', 'worker ÷ it', 'goal', 'nDCG@10 of the worker', 'of the library', 'less', ''],
    compared.flatMap((each) => EFFORTS.map((effort) => effortRow(each, effort))),
  );
}

await withOwnStack(async (stack) => {
  const worker = await OwnWorker.connect(stack.redisUrl, { model, pid: stack.pids().get('worker')! });
  await worker.score(lists.slice(0, 1));
  await (flags.effort ? compareEfforts(worker) : compare(worker));
  for (const line of missing) console.log(`\nnot measured: ${line}`);
  await worker.stop();
});
stopPeers();
