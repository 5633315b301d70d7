/** A process that has the embedded store and nothing else in memory: `embedded-reader.ts FOLDER SEARCHES` answers over its channel with one `EmbeddedReport`. */
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { MadeUpPassages, VERSION } from './made-up-passages.ts';
import { cpuMsSoFar, searchTimes, type SearchTime } from './search-times.ts';

export interface EmbeddedReport {
  /** From an opened store to the first answer: all vectors and terms are read from the file. */
  readonly loadMs: number;
  readonly loadCpuMs: number;
  /** Of the process, before and after. */
  readonly rssBytes: { readonly empty: number; readonly loaded: number };
  readonly times: readonly SearchTime[];
}

const [directory, searches] = process.argv.slice(2) as [string, string];
const { candidateStore, documentStore } = openEmbeddedStores({ directory, readOnly: true });
await candidateStore.documentSeqs(VERSION, []);
const empty = process.memoryUsage.rss();
const cpuBefore = cpuMsSoFar();
const started = performance.now();
await candidateStore.retrieve(VERSION, { mode: 'dense', dense: new MadeUpPassages(3).vector(), limit: 1 });
const loadMs = performance.now() - started;
const loadCpuMs = cpuMsSoFar() - cpuBefore;
const times = await searchTimes(candidateStore, Number(searches));
process.send?.({ loadMs, loadCpuMs, rssBytes: { empty, loaded: process.memoryUsage.rss() }, times } satisfies EmbeddedReport);
await candidateStore.close();
await documentStore.close();
process.disconnect();
