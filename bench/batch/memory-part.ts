import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchJobBody } from '@rerank-fleet/core/contracts';
import { printTable } from '../support/report.ts';
import type { BenchSize } from './bench-size.ts';
import type { FakeFleet, FleetStats } from './fake-fleet.ts';
import { goal, type Outcome } from './goal.ts';
import { ended, readResults, rerankRow, submit, writeRows } from './rows.ts';
import { Stand } from './stand.ts';
import { keysInRedis, MB, usedMemoryMb, watchMemory, type MemoryPeaks } from './watch-memory.ts';

const API_MB = 300;
const REDIS_MB = 64;
const QUEUE_COST = 0.05;
/** A queue's stream keeps a thousand; Redis trims it by whole nodes. */
const MOST_EVENTS = 1_200;

interface JobRun {
  readonly job: BatchJobBody;
  /** That a client read while it ran. */
  readonly results: { readonly lines: number; readonly bytes: number };
  readonly submitMs: number;
  readonly wallMs: number;
  readonly stats: FleetStats;
  readonly foreignShare: number;
}

/** One large job, from the first byte of its upload to its end: memory of API and Redis, what the queue costs, and what is left behind. */
export async function memoryPart(size: BenchSize): Promise<Outcome[]> {
  const { rows, candidates, documentBytes, workers, processes, shape, profile } = size;
  const path = join(tmpdir(), `rerank-batch-bench-${process.pid}.ndjson`);
  try {
    const bytes = await writeRows(path, rows, (number) => rerankRow(number, { candidates, documentBytes }));
    console.log(
      `## Memory\n\n${rows} rerank rows of ${candidates} documents of ${documentBytes} bytes (${mb(bytes)} MB), ${workers} simulated workers in ${processes} processes, ` +
        `${shape.latencyMs} ms a batch of ${shape.batchPairs} pairs\n`,
    );
    return await Stand.with({ profile }, async (stand) => {
      const before = await usedMemoryMb(stand);
      const { result: run, peaks } = await stand.withFleet({ workers, processes, shape }, (fleet) =>
        watchMemory(stand, () => runJob(stand, fleet, path)),
      );
      const outcomes = report(size, { run, peaks, bytes });
      const after = await usedMemoryMb(stand);
      console.log(
        `\nRedis used_memory: ${before.toFixed(1)} MB before, ${peaks.redisMb.toFixed(1)} at most, ${after.toFixed(1)} after the job and its workers\n`,
      );
      return [...outcomes, await reportKeys(stand)];
    });
  } finally {
    await rm(path, { force: true });
  }
}

async function runJob(stand: Stand, fleet: FakeFleet, path: string): Promise<JobRun> {
  const began = performance.now();
  const { id } = await submit(stand, path);
  const accepted = performance.now();
  stand.load.begin();
  const from = await fleet.stats();
  const [job, results] = await Promise.all([ended(stand, id, 'default', 200), readResults(stand, id)]);
  const to = await fleet.stats();
  return {
    job,
    results,
    submitMs: accepted - began,
    wallMs: performance.now() - accepted,
    stats: {
      ...to,
      pairs: to.pairs - from.pairs,
      batches: to.batches - from.batches,
      lateMs: to.lateMs - from.lateMs,
      cpuMs: to.cpuMs - from.cpuMs,
    },
    foreignShare: stand.load.share(),
  };
}

interface Found {
  readonly run: JobRun;
  readonly peaks: MemoryPeaks;
  readonly bytes: number;
}

function report({ rows, candidates, workers, shape }: BenchSize, { run, peaks, bytes }: Found): Outcome[] {
  const { job, results, stats, wallMs, submitMs, foreignShare } = run;
  if (job.status !== 'completed' || job.request_counts.succeeded !== rows)
    throw new Error(`The job ended otherwise: ${JSON.stringify(job)}`);
  if (results.lines !== rows) throw new Error(`The job has ${rows} results, and ${results.lines} were read.`);
  const share = (ms: number): number => ms / (wallMs * workers);
  const busy = share(stats.batches * shape.latencyMs);
  const needed = share(((rows * candidates) / shape.batchPairs) * shape.latencyMs);
  printTable(
    ['measure', 'value'],
    [
      [
        'upload',
        `${(submitMs / 1_000).toFixed(1)} s, ${(bytes / MB / (submitMs / 1_000)).toFixed(0)} MB/s, ${((rows / submitMs) * 1_000).toFixed(0)} rows/s`,
      ],
      [
        'job, from 202 to its end',
        `${(wallMs / 1_000).toFixed(1)} s, ${((rows / wallMs) * 1_000).toFixed(0)} rows/s, ${((stats.pairs / wallMs) * 1_000).toFixed(0)} pairs/s`,
      ],
      ['results, read meanwhile', `${mb(results.bytes)} MB`],
      ['model busy', `${percent(busy)} of the workers' time`],
      ['timers of the model late', `${percent(share(stats.lateMs))} of the workers' time`],
      ['full batches would take', `${percent(needed)} of the workers' time`],
      ['pairs a batch', (stats.pairs / stats.batches).toFixed(1)],
      ['CPU of the workers', `${(stats.cpuMs / wallMs).toFixed(2)} cores, ${((stats.cpuMs / stats.pairs) * 1_000).toFixed(1)} µs a pair`],
      ['memory of the API, median', `${peaks.apiMedianMb.toFixed(0)} MB`],
      ['others on the cores', percent(foreignShare)],
    ],
  );
  console.log();
  return [
    goal('memory of the API (RSS), most', `${peaks.apiMb.toFixed(0)} MB`, `≤ ${API_MB} MB`, { met: peaks.apiMb <= API_MB }),
    goal('memory of Redis (used_memory), most', `${peaks.redisMb.toFixed(1)} MB`, `≤ ${REDIS_MB} MB`, {
      met: peaks.redisMb <= REDIS_MB,
    }),
    goal('cost of the queue', percent(1 - busy), `≤ ${percent(QUEUE_COST)} of the workers' time`, {
      met: 1 - busy <= QUEUE_COST,
      foreignShare,
    }),
  ];
}

/** What has ended leaves nothing that grows with the number of jobs. */
async function reportKeys(stand: Stand): Promise<Outcome> {
  const groups = await keysInRedis(stand);
  console.log('Left in Redis:\n');
  printTable(
    ['keys', 'count', 'entries', 'bytes'],
    groups.map(({ pattern, keys, entries, bytes }) => [`\`${pattern}\``, String(keys), String(entries), String(bytes)]),
  );
  console.log();
  const ofJobs = groups.filter(({ pattern }) => pattern.includes('*')).reduce((sum, { keys }) => sum + keys, 0);
  const finished = groups.filter(({ pattern }) => /:(completed|failed)$/.test(pattern)).reduce((sum, { entries }) => sum + entries, 0);
  const events = Math.max(...groups.filter(({ pattern }) => pattern.endsWith(':events')).map(({ entries }) => entries));
  return goal(
    'left in Redis',
    `${ofJobs} keys of the job, ${finished} tasks, ${events} queue events`,
    `none of the job, ≤ ${MOST_EVENTS} events`,
    { met: ofJobs + finished === 0 && events <= MOST_EVENTS },
  );
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const mb = (bytes: number): string => (bytes / MB).toFixed(0);
