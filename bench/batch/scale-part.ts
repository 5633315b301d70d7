import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMs } from '../support/foreign-load.ts';
import { printTable } from '../support/report.ts';
import type { BenchSize } from './bench-size.ts';
import type { FleetStats } from './fake-fleet.ts';
import { goal, type Outcome } from './goal.ts';
import { ended, rerankRow, submitText } from './rows.ts';
import { renderScalePlot, type ScalePoint } from './scale-plot.ts';
import { Stand } from './stand.ts';

const EFFICIENCY = 0.9;
/** Until every worker has its slices. */
const WARM_UP_MS = 3_000;
/** Work for so much longer than it is looked at: no worker may run out of it. */
const RESERVE = 1.5;

interface Point extends ScalePoint {
  readonly batchPairs: number;
  /** Shares of the workers' time: the models' timers fired late; the models waited for work. */
  readonly lateShare: number;
  readonly idleShare: number;
  /** Cores that the workers' processes, Redis and the API used. */
  readonly cores: { readonly workers: number; readonly redis: number; readonly api: number };
  readonly redisCommandsPerS: number;
  readonly foreignShare: number;
}

/** One to many workers on one Redis, all of them with as much work as they can take. */
export async function scalePart(size: BenchSize): Promise<Outcome[]> {
  const { workers, processes, shape, candidates, documentBytes, seconds, svg, profile } = size;
  const counts = Array.from({ length: Math.floor(Math.log2(workers)) + 1 }, (_, power) => 2 ** power);
  if (counts.at(-1) !== workers) counts.push(workers);
  console.log(
    `## Scale\n\n${shape.latencyMs} ms a batch of ${shape.batchPairs} pairs, inline candidates (${candidates} of ${documentBytes} bytes a row), ${processes} processes at most, ` +
      `${seconds} s each\n`,
  );
  return await Stand.with({ profile }, async (stand) => {
    const points: Point[] = [];
    for (const count of counts) points.push(await measure(stand, { ...size, workers: count }));
    const one = points[0]!.pairsPerS;
    report(points);
    if (svg !== undefined) await writeFile(svg, renderScalePlot(points, shape));
    const last = points.at(-1)!;
    const efficiency = last.pairsPerS / (last.workers * one);
    const aim = `≥ ${EFFICIENCY} × ${last.workers} × one`;
    const foreignShare = Math.max(points[0]!.foreignShare, last.foreignShare);
    return [
      goal(`throughput of ${last.workers} workers`, `${efficiency.toFixed(3)} × ${last.workers} × one`, aim, {
        met: efficiency >= EFFICIENCY,
        foreignShare,
      }),
    ];
  });
}

function report(points: readonly Point[]): void {
  const one = points[0]!.pairsPerS;
  printTable(
    [
      'workers',
      'pairs/s',
      '÷ (n × one)',
      'pairs a batch',
      'timers late',
      'no batch ready',
      'cores: workers',
      'Redis',
      'API',
      'Redis commands/s',
      'others on the cores',
    ],
    points.map(({ workers: count, pairsPerS, batchPairs, lateShare, idleShare, cores, redisCommandsPerS, foreignShare }) => [
      String(count),
      pairsPerS.toFixed(0),
      (pairsPerS / (count * one)).toFixed(3),
      batchPairs.toFixed(1),
      `${(lateShare * 100).toFixed(1)} %`,
      `${(idleShare * 100).toFixed(1)} %`,
      cores.workers.toFixed(2),
      cores.redis.toFixed(2),
      cores.api.toFixed(2),
      redisCommandsPerS.toFixed(0),
      `${(foreignShare * 100).toFixed(1)} %`,
    ]),
  );
}

async function measure(stand: Stand, size: BenchSize): Promise<Point> {
  const { workers, processes, shape, candidates, documentBytes, seconds } = size;
  const pairsPerS = (workers * shape.batchPairs * 1_000) / shape.latencyMs;
  const rows = Math.ceil((pairsPerS * (seconds + WARM_UP_MS / 1_000) * RESERVE) / candidates);
  return await stand.withFleet({ workers, processes, shape }, async (fleet) => {
    const text = Array.from({ length: rows }, (_, position) => rerankRow(position + 1, { candidates, documentBytes })).join('\n');
    const { id } = await submitText(stand, text);
    await sleep(WARM_UP_MS);
    const take = async () => ({
      stats: await fleet.stats(),
      redis: await redisTotals(stand),
      apiMs: cpuMs(stand.apiPid),
      redisMs: cpuMs(stand.redisPid),
    });
    stand.load.begin();
    const from = await take();
    await sleep(seconds * 1_000);
    const to = await take();
    const foreignShare = stand.load.share();
    await stand.call('POST', `/v1/jobs/${id}/cancel`);
    const job = await ended(stand, id);
    if (job.status !== 'cancelled') throw new Error(`The workers ran out of work: the job is ${job.status}.`);
    const ms = to.stats.atMs - from.stats.atMs;
    const more = (field: keyof FleetStats): number => to.stats[field] - from.stats[field];
    const lateShare = more('lateMs') / (ms * workers);
    return {
      workers,
      pairsPerS: (more('pairs') / ms) * 1_000,
      batchPairs: more('pairs') / more('batches'),
      lateShare,
      idleShare: 1 - lateShare - (more('batches') * shape.latencyMs) / (ms * workers),
      cores: { workers: more('cpuMs') / ms, redis: (to.redisMs - from.redisMs) / ms, api: (to.apiMs - from.apiMs) / ms },
      redisCommandsPerS: ((to.redis - from.redis) / ms) * 1_000,
      foreignShare,
    };
  });
}

/** Commands since its start, scripts as one each. */
async function redisTotals({ redis }: Stand): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))?.[1]);
}
