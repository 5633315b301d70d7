// Health of the worker container: the pool that it serves has a worker whose heartbeat is fresh. A worker has no port, and a process
// that runs but has lost Redis is not healthy.
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { loadConfig } from '@rerank-fleet/core/config';

const { redis: settings, worker: own } = loadConfig();
const redis = await connectRedis(settings.url, { role: 'producer', name: 'health' });
try {
  const workers = await new FleetRegistry(redis).live();
  if (!workers.some((worker) => worker.pool === own.pool)) throw new Error(`No live worker in the pool ${own.pool}.`);
} finally {
  redis.disconnect();
}
