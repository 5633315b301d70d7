import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { openFirstStages } from '@rerank-fleet/core/adapters/external/open-first-stages';
import { CancelWatch } from '@rerank-fleet/core/adapters/redis/cancel-watch';
import { RedisClock } from '@rerank-fleet/core/adapters/redis/redis-clock';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import type { Config } from '@rerank-fleet/core/config';
import type { Logger } from '@rerank-fleet/core/observability';
import { openStores, type Stores } from './open-stores.js';

export interface Connections {
  readonly stores: Stores;
  readonly external: ReturnType<typeof openFirstStages>;
  readonly cancels: CancelWatch;
  readonly clock: RedisClock;
  readonly queue: BullmqJobQueue;
  /** Also ends the connection to Redis that they were opened with. */
  close(): Promise<void>;
}

export interface ConnectionOptions {
  readonly config: Config;
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly onFault: (error: Error) => void;
  readonly log: Logger;
}

/** Stores, first stages of others, and what the worker has in Redis. @throws RerankError `queue_unavailable` */
export async function openConnections({ config, redis, onFault, log }: ConnectionOptions): Promise<Connections> {
  const { url } = config.redis;
  const stores = await openStores(config, log);
  const external = openFirstStages(config.retrievers.connections);
  const cancels = await CancelWatch.start(redis, await connectRedis(url, { role: 'consumer', name: 'cancels', onFault }));
  const clock = await RedisClock.start(redis);
  const queue = await BullmqJobQueue.open({ url, onFault });
  return {
    stores,
    external,
    cancels,
    clock,
    queue,
    close: async () => {
      await stores.close();
      external.close();
      clock.stop();
      cancels.stop();
      await queue.close();
      redis.disconnect();
    },
  };
}
