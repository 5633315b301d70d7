import { TaskDispatcher } from '@rerank-fleet/api/dispatch/task-dispatcher';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { RedisClock } from '@rerank-fleet/core/adapters/redis/redis-clock';
import type { Effort } from '@rerank-fleet/core/ports';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { ResultInbox } from '@rerank-fleet/core/adapters/redis/result-inbox';
import { TaskBodies } from '@rerank-fleet/core/adapters/redis/task-bodies';
import { cpuTimeMs } from './cpu-time.ts';
import type { Scored, TextList } from './peer-process.ts';

const TIMEOUT_MS = 600_000;
/** Results that are compared by nDCG. */
export const TOP_N = 10;

interface ModelPin {
  readonly name: string;
  readonly sha256: string;
}

export interface WorkerUnderTest {
  readonly model: ModelPin;
  readonly pid: number;
}

/** Our worker, asked through Redis as the API asks it: one task a query, all of them at once. */
export class OwnWorker {
  readonly #dispatcher: TaskDispatcher;
  readonly #model: ModelPin;
  readonly #pid: number;
  readonly #stop: () => Promise<void>;
  #turns = 0;

  private constructor(dispatcher: TaskDispatcher, { model, pid }: WorkerUnderTest, stop: () => Promise<void>) {
    this.#dispatcher = dispatcher;
    this.#model = model;
    this.#pid = pid;
    this.#stop = stop;
  }

  static async connect(redisUrl: string, worker: WorkerUnderTest): Promise<OwnWorker> {
    const redis = await connectRedis(redisUrl, { role: 'producer', name: 'bench' });
    const inbox = await ResultInbox.start(redis, await connectRedis(redisUrl, { role: 'consumer', name: 'bench-inbox' }));
    const queue = await BullmqJobQueue.open({ url: redisUrl });
    const clock = await RedisClock.start(redis);
    const dispatcher = new TaskDispatcher({ queue, inbox, fleet: new FleetRegistry(redis), clock, bodies: new TaskBodies(redis) });
    return new OwnWorker(dispatcher, worker, async () => {
      clock.stop();
      inbox.stop();
      await queue.close();
      redis.disconnect();
    });
  }

  /** With an effort below `full` only the best ten of a list need their full logit; others may have a predicted one. */
  async score(lists: readonly TextList[], effort: Effort = 'full'): Promise<Scored> {
    this.#turns += 1;
    const before = cpuTimeMs(this.#pid);
    const started = performance.now();
    const logits = await Promise.all(lists.map((list) => this.#scoreList(list, effort)));
    return { seconds: (performance.now() - started) / 1_000, cpuMs: cpuTimeMs(this.#pid) - before, logits };
  }

  async stop(): Promise<void> {
    await this.#stop();
  }

  async #scoreList({ query, documents }: TextList, effort: Effort): Promise<number[]> {
    const { results } = await this.#dispatcher.call({
      queue: 'sync',
      tenant: 'bench',
      requestId: 'bench-peers',
      pool: 'default',
      timeoutMs: TIMEOUT_MS,
      signal: new AbortController().signal,
      body: {
        kind: 'rerank',
        stages: [{ model: this.#model }],
        query,
        // The worker keeps the tokens of passages that it has seen, the peers do not. Spaces change no token, and make a text that no turn has sent before.
        documents: documents.map((text) => text + ' '.repeat(this.#turns)),
        top_n: effort === 'full' ? documents.length : Math.min(TOP_N, documents.length),
        effort,
        long_document: 'truncate',
        deterministic: false,
      },
    });
    const logits = documents.map(() => Number.NaN);
    for (const { index, logit } of results) logits[index] = logit;
    return logits;
  }
}
