/**
 * Pairs per second through a worker (Redis, queue, tokenizer, planner, model, publish) ÷ a bare onnxruntime-node loop over the same pairs, tokenized and sorted
 * by length beforehand. Both run in turn, in one run; the bare loop at its best batch and split of threads.
 *
 *   npm run bench:engine [-- --queries 20 --rounds 3]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { TaskDispatcher } from '@rerank-fleet/api/dispatch/task-dispatcher';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { RedisClock } from '@rerank-fleet/core/adapters/redis/redis-clock';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { ResultInbox } from '@rerank-fleet/core/adapters/redis/result-inbox';
import { TaskBodies } from '@rerank-fleet/core/adapters/redis/task-bodies';
import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { chosen } from '../../test/support/environment.ts';
import { readCandidateLists, type CandidateList } from '../support/evaluation-data.ts';
import { describeMachine, median, printTable } from '../support/report.ts';
import { withOwnStack } from '../support/with-stack.ts';
import type { BareMessage } from './bare-loop.ts';

const BARE_BUDGETS = [512, 1_024, 1_536];
const TIMEOUT_MS = 600_000;

const { values: flags } = parseArgs({ options: { queries: { type: 'string', default: '10' }, rounds: { type: 'string', default: '2' } } });
const model = await resolveModel(DEFAULT_RERANKER, { cacheDirectory: defaultCacheDirectory(chosen('XDG_CACHE_HOME')) });
const lists = (await readCandidateLists('trec-dl19', 'bm25-top100.tsv')).slice(0, Number(flags.queries));
const pairs = lists.reduce((sum, { documents }) => sum + documents.length, 0);

/** One process with all cores, or a process a core, each with its share of the pairs. */
class BareLoop {
  readonly #children: ChildProcess[] = [];
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async start(processes: number, intraOpThreads: number): Promise<BareLoop> {
    const loop = new BareLoop(`${processes} × ${intraOpThreads} threads`);
    for (let share = 0; share < processes; share += 1) {
      const child = fork(new URL('./bare-loop.ts', import.meta.url));
      loop.#children.push(child);
      const mine = lists.filter((_, position) => position % processes === share);
      await ask(child, {
        setup: { onnxPath: model.onnxPath, tokenizerPath: model.tokenizerPath, maxLength: model.maxLength, intraOpThreads, lists: mine },
      });
    }
    return loop;
  }

  async pairsPerSecond(maxBatchTokens: number): Promise<number> {
    const started = performance.now();
    await Promise.all(this.#children.map((child) => ask(child, { run: { maxBatchTokens } })));
    return pairs / ((performance.now() - started) / 1_000);
  }

  stop(): void {
    for (const child of this.#children) child.kill();
  }
}

async function ask(child: ChildProcess, message: BareMessage): Promise<void> {
  child.send(message);
  await once(child, 'message');
}

async function throughWorker(dispatcher: TaskDispatcher, list: CandidateList): Promise<void> {
  await dispatcher.call({
    queue: 'sync',
    tenant: 'bench',
    requestId: list.queryId,
    pool: 'default',
    timeoutMs: TIMEOUT_MS,
    signal: new AbortController().signal,
    body: {
      kind: 'rerank',
      stages: [{ model: { name: model.name, sha256: model.sha256 } }],
      query: list.query,
      documents: [...list.documents],
      top_n: 10,
      long_document: 'truncate',
      deterministic: false,
    },
  });
}

async function workerPairsPerSecond(dispatcher: TaskDispatcher): Promise<number> {
  const started = performance.now();
  await Promise.all(lists.map((list) => throughWorker(dispatcher, list)));
  return pairs / ((performance.now() - started) / 1_000);
}

await withOwnStack(async ({ redisUrl }) => {
  const redis = await connectRedis(redisUrl, { role: 'producer', name: 'bench' });
  const inbox = await ResultInbox.start(redis, await connectRedis(redisUrl, { role: 'consumer', name: 'bench-inbox' }));
  const queue = await BullmqJobQueue.open({ url: redisUrl });
  const fleet = new FleetRegistry(redis);
  const clock = await RedisClock.start(redis);
  const dispatcher = new TaskDispatcher({ queue, inbox, fleet, clock, bodies: new TaskBodies(redis) });
  const cores = availableParallelism();
  const loops = [await BareLoop.start(1, cores), await BareLoop.start(cores, 1)];
  const bare = new Map<string, number[]>();
  const worker: number[] = [];
  await throughWorker(dispatcher, lists[0]!);
  for (let round = 0; round < Number(flags.rounds); round += 1) {
    for (const loop of loops) {
      for (const budget of BARE_BUDGETS) {
        const name = `bare, ${loop.name}, ${budget} tokens`;
        bare.set(name, [...(bare.get(name) ?? []), await loop.pairsPerSecond(budget)]);
        worker.push(await workerPairsPerSecond(dispatcher));
      }
    }
  }
  const [stats] = await fleet.live();
  const through = median(worker);
  const rows = [...bare].map(([name, rates]) => [name, median(rates).toFixed(1), (through / median(rates)).toFixed(3)]);
  console.log(
    `${describeMachine()}\n${model.name} (${model.precision}), ${pairs} pairs of trec-dl19, ${flags.rounds} rounds in turn, medians\n`,
  );
  printTable(['way', 'pairs/s', 'worker ÷ it'], [['worker, end to end', through.toFixed(1), '1.000'], ...rows]);
  const best = Math.max(...[...bare.values()].map(median));
  console.log(
    `\nworker ÷ best bare loop: ${(through / best).toFixed(3)}; padding waste ${((stats?.stats?.padding_waste ?? 0) * 100).toFixed(1)} %`,
  );
  for (const loop of loops) loop.stop();
  clock.stop();
  inbox.stop();
  await queue.close();
  redis.disconnect();
});
