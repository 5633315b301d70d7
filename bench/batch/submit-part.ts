import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, printTable } from '../support/report.ts';
import type { BenchSize } from './bench-size.ts';
import { goal, type Outcome } from './goal.ts';
import { rerankRow, searchRow, submit, writeRows } from './rows.ts';
import { Stand } from './stand.ts';
import { MB, watchMemory } from './watch-memory.ts';

const ROWS_PER_S = 20_000;
/** Uploads of inline rows are larger: so many fewer are sent. */
const INLINE_SHARE = 0.1;

interface UploadKind {
  readonly title: string;
  readonly rows: number;
  readonly row: (number: number) => string;
}

/** How fast jobs are taken in: from the first byte read from disk to the 202. Nothing runs them meanwhile. */
export async function submitPart(size: BenchSize): Promise<Outcome[]> {
  const { rows, candidates, documentBytes, repeats, profile } = size;
  const kinds: UploadKind[] = [
    { title: 'search rows', rows, row: searchRow },
    {
      title: `rerank rows of ${candidates} documents`,
      rows: Math.ceil(rows * INLINE_SHARE),
      row: (number) => rerankRow(number, { candidates, documentBytes }),
    },
  ];
  console.log(`## Submission\n\nNDJSON from disk over HTTP, medians of ${repeats}\n`);
  return await Stand.with({ profile }, async (stand) => {
    // A fleet that is there and then sleeps: what is submitted waits.
    await stand.withFleet({ ...size, workers: 1 }, () => Promise.resolve());
    const found: Measured[] = [];
    for (const kind of kinds) found.push(await measure(stand, kind, repeats));
    printTable(
      ['upload', 'rows', 'bytes a row', 'rows/s', 'MB/s', 'memory of the API, most', 'others on the cores'],
      found.map(({ kind, bytes, ms, apiMb, foreignShare }) => [
        kind.title,
        String(kind.rows),
        (bytes / kind.rows).toFixed(0),
        ((kind.rows / ms) * 1_000).toFixed(0),
        (bytes / MB / (ms / 1_000)).toFixed(0),
        `${apiMb.toFixed(0)} MB`,
        `${(foreignShare * 100).toFixed(1)} %`,
      ]),
    );
    const [search] = found as [Measured];
    const rate = (search.kind.rows / search.ms) * 1_000;
    return [
      goal('submission of search rows', `${rate.toFixed(0)} rows/s`, `≥ ${ROWS_PER_S} rows/s`, {
        met: rate >= ROWS_PER_S,
        foreignShare: search.foreignShare,
      }),
    ];
  });
}

interface Measured {
  readonly kind: UploadKind;
  readonly bytes: number;
  readonly ms: number;
  readonly apiMb: number;
  readonly foreignShare: number;
}

async function measure(stand: Stand, kind: UploadKind, repeats: number): Promise<Measured> {
  const path = join(tmpdir(), `rerank-batch-bench-${process.pid}.ndjson`);
  try {
    const bytes = await writeRows(path, kind.rows, kind.row);
    const times: number[] = [];
    stand.load.begin();
    const { peaks } = await watchMemory(stand, async () => {
      for (let turn = 0; turn < repeats; turn += 1) {
        const began = performance.now();
        const job = await submit(stand, path);
        times.push(performance.now() - began);
        if (job.request_counts.errored > 0) throw new Error(`Rows were refused: ${JSON.stringify(job)}`);
        await stand.call('POST', `/v1/jobs/${job.id}/cancel`);
      }
    });
    return { kind, bytes, ms: median(times), apiMb: peaks.apiMb, foreignShare: stand.load.share() };
  } finally {
    await rm(path, { force: true });
  }
}
