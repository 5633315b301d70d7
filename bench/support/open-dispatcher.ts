import { TaskDispatcher } from '@rerank-fleet/api/dispatch/task-dispatcher';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { RedisClock } from '@rerank-fleet/core/adapters/redis/redis-clock';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { ResultInbox } from '@rerank-fleet/core/adapters/redis/result-inbox';
import { TaskBodies } from '@rerank-fleet/core/adapters/redis/task-bodies';

export interface OpenDispatcher {
  readonly dispatcher: TaskDispatcher;
  readonly fleet: FleetRegistry;
  readonly close: () => Promise<void>;
}

/** The API's side of the queue, without the API. */
export async function openDispatcher(redisUrl: string): Promise<OpenDispatcher> {
  const redis = await connectRedis(redisUrl, { role: 'producer', name: 'bench' });
  const inbox = await ResultInbox.start(redis, await connectRedis(redisUrl, { role: 'consumer', name: 'bench-inbox' }));
  const queue = await BullmqJobQueue.open({ url: redisUrl });
  const fleet = new FleetRegistry(redis);
  const clock = await RedisClock.start(redis);
  return {
    dispatcher: new TaskDispatcher({ queue, inbox, fleet, clock, bodies: new TaskBodies(redis) }),
    fleet,
    close: async () => {
      clock.stop();
      inbox.stop();
      await queue.close();
      redis.disconnect();
    },
  };
}
