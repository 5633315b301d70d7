import type { RetrievalMode } from '@rerank-fleet/core/domain';
import type { CandidateStore } from '@rerank-fleet/core/ports';
import { median, quantile } from '../support/report.ts';
import { FILTER, MadeUpPassages, VERSION } from './made-up-passages.ts';

const MODES: readonly RetrievalMode[] = ['dense', 'sparse', 'hybrid'];
const LIMIT = 100;
const QUERY_SEED = 2;

export interface SearchTime {
  readonly mode: RetrievalMode;
  readonly filtered: boolean;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  /** Milliseconds of this process' CPU, median: unlike the others it does not depend on what else runs on the machine. */
  readonly cpuMs: number;
}

/** The best 100 passages, one search at a time; all ways in turn, so that a disturbance meets all of them. */
export async function searchTimes(store: CandidateStore, searches: number): Promise<SearchTime[]> {
  const queries = new MadeUpPassages(QUERY_SEED);
  const ways = MODES.flatMap((mode) =>
    [false, true].map((filtered) => ({ mode, filtered, times: [] as number[], cpuTimes: [] as number[] })),
  );
  for (let turn = -1; turn < searches; turn += 1) {
    const [dense, sparse] = [queries.vector(), queries.query()];
    for (const { mode, filtered, times, cpuTimes } of ways) {
      const cpuBefore = cpuMsSoFar();
      const started = performance.now();
      const found = await store.retrieve(VERSION, { mode, dense, sparse, limit: LIMIT, ...(filtered ? { filter: FILTER } : {}) });
      if (mode !== 'sparse' && found.length !== LIMIT) throw new Error(`A search found ${found.length} passages.`);
      // The first of each warms up.
      if (turn < 0) continue;
      times.push(performance.now() - started);
      cpuTimes.push(cpuMsSoFar() - cpuBefore);
    }
  }
  return ways.map(({ mode, filtered, times, cpuTimes }) => ({
    mode,
    filtered,
    p50: quantile(times, 0.5),
    p95: quantile(times, 0.95),
    cpuMs: median(cpuTimes),
  }));
}

/** User and system time of this process, all its threads, in milliseconds. */
export function cpuMsSoFar(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
