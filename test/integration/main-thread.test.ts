import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CorpusTask, SearchTask } from '@rerank-fleet/core/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childEnvironment } from '../support/environment.js';
import { TENANT, WorkerStack } from './worker-support.js';

const WATCH = fileURLToPath(new URL('./text-programs/watch-main-thread.mjs', import.meta.url));
const HUGE = 2_000_000;
/** Modules that read texts; they have no business on the main thread. */
const READERS = /@huggingface\/tokenizers|tokenization\/(text-desk|text-tokenizer|pair-encoder|cut-documents)\./;

interface Report {
  readonly modules: readonly string[];
  /** Calls that normalized or segmented a text longer than any query. */
  readonly longTexts: readonly string[];
  readonly longestGapMs: number;
}

let directory: string;
let report: string;
let stack: WorkerStack;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rerank-main-thread-'));
  report = join(directory, 'report.json');
  stack = await WorkerStack.start();
});
afterEach(async () => {
  await stack.stop();
  await rm(directory, { recursive: true, force: true });
});

const watched = () => ({ NODE_OPTIONS: `--import ${WATCH}`, MAIN_THREAD_REPORT: report });
const read = async (): Promise<Report> => JSON.parse(await readFile(report, 'utf8')) as Report;

function ideographs(length: number): string {
  return Array.from({ length }, (_, index) => String.fromCharCode(0x4e00 + ((index * 7_919) % 20_000))).join('');
}

describe('the main thread of a worker', () => {
  it('reads none of the texts that it stores, scores and searches, however long', async ({ annotate }) => {
    const worker = await stack.startWorker(watched());
    const put = (corpus: string, mode: 'none' | 'sentences') =>
      stack.call<CorpusTask>({
        kind: 'corpus',
        corpus,
        change: { op: 'put', settings: { chunking: { mode, max_tokens: 64, overlap_tokens: 8 } } },
      });
    const find = async (corpus: string) => (await stack.api.documentStore.findCorpus({ tenant: TENANT, corpus }))!;
    await put('whole', 'none');
    await put('cut', 'sentences');
    const jobs = await Promise.all([
      stack.ingest({ name: 'whole', id: (await find('whole')).corpusId }, [
        { id: 'ideographs', text: ideographs(HUGE) },
        { id: 'word', text: 'x'.repeat(HUGE) },
      ]),
      stack.ingest({ name: 'cut', id: (await find('cut')).corpusId }, [
        { id: 'word', text: 'x'.repeat(HUGE) },
        { id: 'sentences', text: 'The apple tree is pruned. '.repeat(4_000) },
      ]),
    ]);
    const long = 'How to prune the apple tree. '.repeat(3_000);
    const reranked = await stack.call(await stack.rerankBody([long, 'pie'], { long_document: 'chunk' }));
    expect(reranked.results).toHaveLength(2);
    for (const job of jobs) expect(await stack.finished(job)).toMatchObject({ request_counts: { total: 2, succeeded: 2 } });
    const search: SearchTask = {
      kind: 'search',
      version: (await find('whole')).versions[0]!,
      query: ideographs(6),
      mode: 'hybrid',
      top_k: 5,
      top_n: 5,
      group_by: 'document',
      long_document: 'truncate',
      deterministic: false,
      stages: [{ model: await stack.pin() }],
      context_tokens: 3_000_000,
    };
    expect((await stack.call(search)).results.map(({ document_id: id }) => id)).toContain('ideographs');
    await worker.end();
    const { modules, longTexts, longestGapMs } = await read();
    expect(modules.filter((url) => READERS.test(url))).toEqual([]);
    expect(modules.some((url) => url.includes('tokenization/text-pool.'))).toBe(true);
    expect(longTexts).toEqual([]);
    await annotate(`The loop of the main thread stood still for ${longestGapMs.toFixed(0)} ms at most.`);
  });

  it('would be seen reading one', async () => {
    const program = `await import(${JSON.stringify(import.meta.resolve('@rerank-fleet/worker/tokenization/text-tokenizer'))}); 'x'.repeat(50_000).normalize('NFKC'); new Intl.Segmenter('en').segment('y'.repeat(50_000));`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], { env: childEnvironment(watched()) });
    const { modules, longTexts } = await read();
    expect(modules.filter((url) => READERS.test(url))).not.toEqual([]);
    expect(longTexts).toEqual(['normalize of 50000', 'segment of 50000']);
  });
});
