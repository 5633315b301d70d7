/**
 * Memory (RSS) of a worker process while pairs of random lengths go through it (Redis, queue, tokenizer, planner, model, publish). It has to be flat: from a
 * tenth of the pairs on, within ± 5 %.
 *
 *   npm run bench:memory                     200,000 pairs, a generated model of some kB
 *   npm run bench:memory -- --real           20,000 pairs, the default model
 *   npm run bench:memory -- --real --pairs 3000
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { TaskDispatcher } from '@rerank-fleet/api/dispatch/task-dispatcher';
import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { SeededRandom } from '@rerank-fleet/worker/exits/seeded-random';
import { chosen } from '../../test/support/environment.ts';
import { openDispatcher } from '../support/open-dispatcher.ts';
import { describeMachine, printTable } from '../support/report.ts';
import '../support/source-imports.ts';
import { withOwnStack } from '../support/with-stack.ts';

const TIMEOUT_MS = 600_000;
const PAIRS_A_CALL = 100;
const CALLS_AT_ONCE = 4;
const SAMPLE_MS = 100;
const TOLERANCE = 0.05;
const WARMED_UP = 0.1;
const MARKS = [0.1, 0.25, 0.5, 0.75, 1];
const MOST_WORDS = 400;

const { values: flags } = parseArgs({ options: { real: { type: 'boolean', default: false }, pairs: { type: 'string' } } });
const pairs = Number(flags.pairs ?? (flags.real ? 20_000 : 200_000));
const { TINY_WORDS } = (await import('../../test/support/tiny-models/tiny-tokenizers.ts')) as { TINY_WORDS: readonly string[] };

/** The same texts in every run. */
const random = new SeededRandom(1);
/** Short ones are more frequent, as in passages: the square of an even number. */
const passage = (): string =>
  Array.from(
    { length: 1 + Math.floor(random.uniform() ** 2 * MOST_WORDS) },
    () => TINY_WORDS[Math.floor(random.uniform() * TINY_WORDS.length)],
  ).join(' ');

async function rssMib(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}

interface Sample {
  readonly share: number;
  readonly rssMib: number;
}

async function load(
  dispatcher: TaskDispatcher,
  model: { readonly name: string; readonly sha256: string },
  onCall: (count: number) => void,
): Promise<void> {
  let left = pairs;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      const count = Math.min(PAIRS_A_CALL, left);
      left -= count;
      await dispatcher.call({
        queue: 'sync',
        tenant: 'bench',
        requestId: 'memory',
        pool: 'default',
        timeoutMs: TIMEOUT_MS,
        signal: new AbortController().signal,
        body: {
          kind: 'rerank',
          stages: [{ model }],
          query: 'how to prune an apple tree',
          documents: Array.from({ length: count }, passage),
          top_n: 10,
          long_document: 'truncate',
          deterministic: false,
        },
      });
      onCall(count);
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, lane));
}

async function modelUnderTest(root: string): Promise<{ readonly name: string; readonly sha256: string; readonly path: string }> {
  const cacheDirectory = defaultCacheDirectory(chosen('XDG_CACHE_HOME'));
  if (flags.real) return { ...(await resolveModel(DEFAULT_RERANKER, { cacheDirectory })), path: DEFAULT_RERANKER };
  const { writeTinyModel } = await import('../../test/support/tiny-models/write-tiny-model.ts');
  const path = await writeTinyModel(join(root, 'tiny'), { kind: 'cross-encoder', layout: 'bert', maxLength: 512 });
  return { ...(await resolveModel(path, { cacheDirectory })), path };
}

function report(samples: readonly Sample[], minutes: number): void {
  const at = (share: number): number => samples.find((sample) => sample.share >= share)?.rssMib ?? Number.NaN;
  const warm = samples.filter(({ share }) => share >= WARMED_UP).map((sample) => sample.rssMib);
  const [least, most] = [Math.min(...warm), Math.max(...warm)];
  const spread = (most - least) / (most + least);
  console.log(
    `${describeMachine()}\n${flags.real ? DEFAULT_RERANKER : 'generated model'}, ${pairs} pairs in ${minutes.toFixed(1)} min, RSS in MiB\n`,
  );
  printTable(
    ['start', ...MARKS.map((mark) => `${mark * 100} %`), 'least after 10 %', 'most after 10 %', 'flat ± 5 %'],
    [
      [samples[0]!.rssMib, ...MARKS.map(at), least, most]
        .map((mib) => mib.toFixed(0))
        .concat(`${spread <= TOLERANCE ? 'yes' : 'NO'} (± ${(spread * 100).toFixed(1)} %)`),
    ],
  );
  if (spread > TOLERANCE) process.exitCode = 1;
}

const root = await mkdtemp(join(tmpdir(), 'rerank-memory-'));
try {
  const model = await modelUnderTest(root);
  await withOwnStack(
    async (stack) => {
      const { dispatcher, close } = await openDispatcher(stack.redisUrl);
      const pid = stack.pids().get('worker')!;
      const samples: Sample[] = [{ share: 0, rssMib: await rssMib(pid) }];
      let done = 0;
      const sampler = setInterval(() => void rssMib(pid).then((mib) => samples.push({ share: done / pairs, rssMib: mib })), SAMPLE_MS);
      const started = performance.now();
      await load(dispatcher, { name: model.name, sha256: model.sha256 }, (count) => (done += count));
      clearInterval(sampler);
      samples.push({ share: 1, rssMib: await rssMib(pid) });
      report(samples, (performance.now() - started) / 60_000);
      await close();
    },
    { RERANK_MODELS: model.path, ...(flags.real ? {} : { AUTO_TUNE: 'false' }) },
  );
} finally {
  await rm(root, { recursive: true, force: true });
}
