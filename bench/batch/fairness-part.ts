import { setTimeout as sleep } from 'node:timers/promises';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, printTable, quantile } from '../support/report.ts';
import type { BenchSize } from './bench-size.ts';
import { goal, type Outcome } from './goal.ts';
import { ended, rerankRow, submit, submitText, writeRows } from './rows.ts';
import { Stand } from './stand.ts';

const SLOWDOWN = 2;
const SMALL_ROWS = 10;
const WORKERS = 4;
const POLL_MS = 10;
/** Until every worker is deep in the large job. */
const WARM_UP_MS = 3_000;
const SYNC_CALLS = 40;
const SYNC_DOCUMENTS = 20;

interface Times {
  /** Milliseconds of each small job, from sending it to seeing its end. */
  readonly small: number[];
  /** Milliseconds of each sync call. */
  readonly sync: number[];
  readonly foreignShare: number;
}

/** A tenant with a few rows beside one with very many, and sync calls beside both. */
export async function fairnessPart(size: BenchSize): Promise<Outcome[]> {
  const { rows, candidates, documentBytes, processes, shape, profile, repeats } = size;
  const path = join(tmpdir(), `rerank-batch-bench-${process.pid}.ndjson`);
  console.log(
    `## Fairness\n\n${WORKERS} workers, ${shape.latencyMs} ms a batch of ${shape.batchPairs} pairs; one tenant has ${rows} rows of ${candidates} candidates queued, another ` +
      `sends ${SMALL_ROWS}, ${repeats} times; ${SYNC_CALLS} sync calls of ${SYNC_DOCUMENTS} documents, one after the other\n`,
  );
  try {
    await writeRows(path, rows, (number) => rerankRow(number, { candidates, documentBytes }));
    return await Stand.with({ profile }, (stand) =>
      stand.withFleet({ workers: WORKERS, processes, shape }, async () => {
        const idle = await take(stand, size);
        const large = await submit(stand, path);
        await sleep(WARM_UP_MS);
        const busy = await take(stand, size);
        const { status } = await stand.call<{ readonly status: string }>('GET', `/v1/jobs/${large.id}`);
        if (status !== 'in_progress') throw new Error(`The large job was to run beside the small ones and is ${status}; take more rows.`);
        await stand.call('POST', `/v1/jobs/${large.id}/cancel`);
        await ended(stand, large.id);
        return report(idle, busy);
      }),
    );
  } finally {
    await rm(path, { force: true });
  }
}

async function take(stand: Stand, size: BenchSize): Promise<Times> {
  const small: number[] = [];
  const sync: number[] = [];
  stand.load.begin();
  for (let turn = 0; turn < size.repeats; turn += 1) small.push(await smallJob(stand, size));
  for (let turn = 0; turn < SYNC_CALLS; turn += 1) sync.push(await syncCall(stand, size));
  return { small, sync, foreignShare: stand.load.share() };
}

async function smallJob(stand: Stand, { candidates, documentBytes }: BenchSize): Promise<number> {
  const text = Array.from({ length: SMALL_ROWS }, (_, position) => rerankRow(position + 1, { candidates, documentBytes })).join('\n');
  const began = performance.now();
  const { id } = await submitText(stand, text, 'other');
  const job = await ended(stand, id, 'other', POLL_MS);
  if (job.request_counts.succeeded !== SMALL_ROWS) throw new Error(`The small job ended otherwise: ${JSON.stringify(job)}`);
  return performance.now() - began;
}

async function syncCall(stand: Stand, { documentBytes }: BenchSize): Promise<number> {
  const { query, documents } = JSON.parse(rerankRow(1, { candidates: SYNC_DOCUMENTS, documentBytes })) as Record<string, unknown>;
  const began = performance.now();
  await stand.call('POST', '/v1/rerank', { tenant: 'other', type: 'application/json', body: JSON.stringify({ query, documents }) });
  return performance.now() - began;
}

function report(idle: Times, busy: Times): Outcome[] {
  const row = (name: string, of: (times: Times) => number): string[] => [
    name,
    of(idle).toFixed(0),
    of(busy).toFixed(0),
    (of(busy) / of(idle)).toFixed(2),
  ];
  printTable(
    ['milliseconds', 'idle fleet', 'beside the large job', 'ratio'],
    [
      row('small job, median', ({ small }) => median(small)),
      row('small job, worst', ({ small }) => Math.max(...small)),
      row('sync call, p50', ({ sync }) => quantile(sync, 0.5)),
      row('sync call, p99', ({ sync }) => quantile(sync, 0.99)),
    ],
  );
  const ratio = Math.max(...busy.small) / median(idle.small);
  const foreignShare = Math.max(idle.foreignShare, busy.foreignShare);
  console.log(`\nothers on the cores: ${(foreignShare * 100).toFixed(1)} %\n`);
  return [goal('worst small job ÷ its time on an idle fleet', ratio.toFixed(2), `≤ ${SLOWDOWN}`, { met: ratio <= SLOWDOWN, foreignShare })];
}
