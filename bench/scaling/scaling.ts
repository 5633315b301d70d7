/**
 * From no worker to many and back: a real API and Redis, whose `/v1/scaling` a controller follows as KEDA would, with simulated workers (see bench/batch). The
 * controller's times are divided by 20. A call comes to an empty pool; calls come at three workers' worth; a batch job; then nothing.
 *
 *   npm run bench:scaling [-- --svg scaling.svg]
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '@rerank-fleet/core/config';
import type { ScalingBody } from '@rerank-fleet/core/contracts';
import { createLogger } from '@rerank-fleet/core/observability';
import { estimateRow } from '@rerank-fleet/core/requests';
import { ended, rerankRow, submitText } from '../batch/rows.ts';
import { Stand } from '../batch/stand.ts';
import { describeMachine, printTable } from '../support/report.ts';
import { ReplicaController } from './replica-controller.ts';
import { renderScalingPlot, type ScalingPhase, type ScalingSample } from './scaling-plot.ts';
import { SimulatedPool } from './simulated-pool.ts';

const SPEED_UP = 20;
const SHAPE = { latencyMs: 100, batchPairs: 64, pairTokens: 32 } as const;
const ROW = { candidates: 64, documentBytes: 100 } as const;
const POLL_MS = 10_000 / SPEED_UP;
const WARM_UP_MS = 60_000 / SPEED_UP;
const CALLS_PER_S = 30;
const CALLS_S = 25;
const JOB_ROWS = 1_500;
const BATCH_DRAIN_S = 600 / SPEED_UP;
const IDLE_S = 300 / SPEED_UP;
const LONGEST_S = 300;

const { values: flags } = parseArgs({ options: { svg: { type: 'string' } } });
const row = rerankRow(1, ROW);
const { custom_id: _, ...call } = JSON.parse(row) as { readonly custom_id: string; readonly query: string; readonly documents: string[] };
const estimate = estimateRow({ kind: 'rerank', request: { ...call, long_document: 'truncate' } }, row.length);
/** In the tokens that admission counts by. */
const workerTokensPerS = Math.round((1_000 / SHAPE.latencyMs) * SHAPE.batchPairs * (estimate.tokens / estimate.pairs));
const settings = {
  SCALE_WORKER_TOKENS_PER_S: String(workerTokensPerS),
  SCALE_BATCH_DRAIN_S: String(BATCH_DRAIN_S),
  SCALE_IDLE_S: String(IDLE_S),
  SCALE_MAX_WORKERS: '20',
};

console.log(`${describeMachine()}\n`);
const samples: ScalingSample[] = [];
const phases: ScalingPhase[] = [];
const outcome = await Stand.with({ settings }, simulate);
printTable(
  ['from', 's', 'needed, most', 'pods, most', 'ready, most', 'at its end: needed', 'pods'],
  phases.map(({ name, seconds }, at) => {
    const until = phases[at + 1]?.seconds ?? Infinity;
    const own = samples.filter((sample) => sample.seconds >= seconds && sample.seconds < until);
    const most = (of: (sample: ScalingSample) => number): string => String(Math.max(...own.map(of)));
    const last = own.at(-1);
    return [
      name,
      seconds.toFixed(0),
      most(({ desired }) => desired),
      most(({ replicas }) => replicas),
      most(({ ready }) => ready),
      String(last?.desired),
      String(last?.replicas),
    ];
  }),
);
console.log(`\nThe first call was answered after ${outcome.firstCallS.toFixed(1)} s, ${WARM_UP_MS / 1_000} s of which a worker warmed up.`);
console.log(
  `${outcome.answered} of ${outcome.called} calls were answered; the job took ${outcome.jobS.toFixed(1)} s, ${BATCH_DRAIN_S} s being meant.`,
);
if (flags.svg !== undefined) await writeFile(flags.svg, renderScalingPlot(samples, phases, SPEED_UP));
const wentBack = samples.at(-1)?.replicas === 0;
console.log(wentBack ? 'No worker is left.' : `Workers are left after ${LONGEST_S} s.`);
if (!wentBack || outcome.answered < outcome.called) process.exitCode = 1;

async function simulate(stand: Stand) {
  const config = loadConfig({ REDIS_URL: stand.redisUrl, RERANK_STATE_DIR: stand.stateDirectory, DRAIN_MS: '1000' });
  const pool = new SimulatedPool(config, SHAPE, { warmUpMs: WARM_UP_MS, log: createLogger({ level: 'warn', process: 'worker' }) });
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1_000;
  const phase = (name: string): void => void phases.push({ name, seconds: seconds() });
  const over = new AbortController();
  const following = follow(stand, pool, { seconds, signal: over.signal });
  try {
    phase('nothing');
    await sleep(3_000);
    phase('a call');
    const firstBegan = seconds();
    await rerank(stand);
    const firstCallS = seconds() - firstBegan;
    phase(`${CALLS_PER_S} calls a second`);
    const answered = await callSteadily(stand);
    phase('a job');
    const jobBegan = seconds();
    const { id } = await submitText(stand, Array.from({ length: JOB_ROWS }, (_each, at) => rerankRow(at + 1, ROW)).join('\n'));
    await ended(stand, id);
    const jobS = seconds() - jobBegan;
    phase('nothing again');
    while (seconds() < LONGEST_S && pool.replicas > 0) await sleep(POLL_MS);
    await sleep(2_000);
    return { firstCallS, answered, called: CALLS_PER_S * CALLS_S, jobS };
  } finally {
    over.abort();
    await following;
    await pool.close();
  }
}

/** Asks, scales and keeps what it saw, until it is told to end. */
async function follow(
  stand: Stand,
  pool: SimulatedPool,
  { seconds, signal }: { readonly seconds: () => number; readonly signal: AbortSignal },
): Promise<void> {
  const controller = new ReplicaController({
    cooldownMs: 120_000 / SPEED_UP,
    upWindowMs: 30_000 / SPEED_UP,
    downWindowMs: 300_000 / SPEED_UP,
    policyMs: 60_000 / SPEED_UP,
    maxReplicas: 20,
  });
  while (!signal.aborted) {
    const { desired_workers: desired, outstanding_tokens: tokens } = await stand.call<ScalingBody>('GET', '/v1/scaling?pool=default');
    pool.scaleTo(controller.next(seconds() * 1_000, desired, pool.replicas));
    samples.push({ seconds: seconds(), desired, tokens, replicas: pool.replicas, ready: pool.ready });
    await sleep(POLL_MS);
  }
}

async function rerank(stand: Stand): Promise<void> {
  await stand.call('POST', '/v1/rerank', { type: 'application/json', body: JSON.stringify(call) });
}

/** Calls at even distances, whether or not earlier ones are answered. Resolves to how many were. */
async function callSteadily(stand: Stand): Promise<number> {
  const calls: Promise<number>[] = [];
  const began = performance.now();
  for (let number = 0; number < CALLS_PER_S * CALLS_S; number += 1) {
    await sleep(Math.max(0, began + (number * 1_000) / CALLS_PER_S - performance.now()));
    calls.push(
      rerank(stand).then(
        () => 1,
        () => 0,
      ),
    );
  }
  return (await Promise.all(calls)).reduce((sum, one) => sum + one, 0);
}
