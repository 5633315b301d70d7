import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import type { CandidateStore } from '@rerank-fleet/core/ports';
import { chosen } from '../../test/support/environment.ts';
import { ForeignLoad } from '../support/foreign-load.ts';
import { printTable } from '../support/report.ts';
import type { EmbeddedReport } from './embedded-reader.ts';
import { DIMENSIONS, MadeUpPassages, VERSION } from './made-up-passages.ts';
import { searchTimes, type SearchTime } from './search-times.ts';

const SEED = 1;
/** Documents of one write. */
const WRITTEN = 500;
const QDRANT_TIMEOUT_MS = 60_000;
const MIB = 2 ** 20;

export interface StoreOptions {
  /** Passages. */
  readonly sizes: readonly number[];
  /** Of each way. */
  readonly searches: number;
}

interface StoreRow {
  readonly store: string;
  readonly passages: number;
  readonly times: readonly SearchTime[];
}

/** Prints how long a search takes over so many passages. */
export async function measureStores({ sizes, searches }: StoreOptions): Promise<void> {
  console.log(
    `Made-up passages of ${DIMENSIONS} dimensions, one a document; the best 100 of ${searches} searches of each kind, one at a time\n`,
  );
  const rows: StoreRow[] = [];
  for (const passages of sizes) rows.push(await measureEmbedded(passages, searches));
  const url = chosen('QDRANT_URL');
  if (url === undefined) console.log('Qdrant: skipped, QDRANT_URL is not set');
  else for (const passages of sizes) rows.push(await measureQdrant(url, passages, searches));
  console.log();
  printTable(
    ['store', 'passages', 'search', 'p50 ms', 'p95 ms', 'CPU ms', 'filtered: p50 ms', 'p95 ms', 'CPU ms'],
    rows.flatMap(({ store, passages, times }) =>
      times
        .filter(({ filtered }) => !filtered)
        .map((plain) => {
          const filtered = times.find((time) => time.filtered && time.mode === plain.mode)!;
          const figures = [plain, filtered].flatMap(({ p50, p95, cpuMs }) => [p50, p95, cpuMs]);
          return [store, `${passages}`, plain.mode, ...figures.map((ms) => (Number.isNaN(ms) ? '–' : ms.toFixed(1)))];
        }),
    ),
  );
}

async function measureEmbedded(passages: number, searches: number): Promise<StoreRow> {
  const directory = await mkdtemp(join(tmpdir(), 'rerank-store-'));
  try {
    const { candidateStore, documentStore } = openEmbeddedStores({ directory });
    const writeMs = await fill(candidateStore, passages);
    await candidateStore.close();
    await documentStore.close();
    const { size } = await stat(join(directory, 'embedded.sqlite'));
    const { report, foreign } = await inItsOwnProcess(directory, searches);
    const { loadMs, loadCpuMs, rssBytes, times } = report;
    console.log(
      `embedded, ${passages} passages: written in ${(writeMs / 1_000).toFixed(1)} s, file ${(size / MIB).toFixed(0)} MiB; loaded in ${(loadMs / 1_000).toFixed(1)} s (CPU ${(loadCpuMs / 1_000).toFixed(1)} s); ` +
        `RSS ${(rssBytes.empty / MIB).toFixed(0)} → ${(rssBytes.loaded / MIB).toFixed(0)} MiB; others took ${(foreign * 100).toFixed(0)} % of the cores`,
    );
    return { store: 'embedded', passages, times };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function inItsOwnProcess(
  directory: string,
  searches: number,
): Promise<{ readonly report: EmbeddedReport; readonly foreign: number }> {
  const child = fork(fileURLToPath(new URL('./embedded-reader.ts', import.meta.url)), [directory, `${searches}`]);
  const failed = once(child, 'exit').then(([code]) => Promise.reject(new Error(`The reading process ended with ${code}.`)));
  failed.catch(() => undefined);
  const load = new ForeignLoad(() => (child.pid === undefined ? [] : [child.pid]));
  load.begin();
  const [report] = (await Promise.race([once(child, 'message'), failed])) as [EmbeddedReport];
  const foreign = load.share();
  if (child.exitCode === null) await once(child, 'exit');
  return { report, foreign };
}

/** Beside whatever else is in it; takes away what it made. */
async function measureQdrant(url: string, passages: number, searches: number): Promise<StoreRow> {
  const { candidateStore, documentStore } = openQdrantStores({ url, timeoutMs: QDRANT_TIMEOUT_MS });
  try {
    await candidateStore.dropVersion(VERSION);
    const writeMs = await fill(candidateStore, passages);
    console.log(`Qdrant, ${passages} passages: written in ${(writeMs / 1_000).toFixed(1)} s`);
    const times = await searchTimes(candidateStore, searches);
    // What this process spent says nothing of the server.
    return { store: 'Qdrant', passages, times: times.map((time) => ({ ...time, cpuMs: Number.NaN })) };
  } finally {
    await candidateStore.dropVersion(VERSION);
    await candidateStore.close();
    await documentStore.close();
  }
}

/** Milliseconds of the writes alone. */
async function fill(store: CandidateStore, passages: number): Promise<number> {
  const source = new MadeUpPassages(SEED);
  await store.createVersion(VERSION);
  let ms = 0;
  for (let left = passages; left > 0; left -= WRITTEN) {
    const documents = Array.from({ length: Math.min(WRITTEN, left) }, () => source.document());
    const started = performance.now();
    await store.writeDocuments(VERSION, documents);
    ms += performance.now() - started;
  }
  return ms;
}
