/** A process of simulated workers: started by `FakeFleet`, which it answers over its channel and does not outlive. */
import { loadConfig } from '@rerank-fleet/core/config';
import { createLogger } from '@rerank-fleet/core/observability';
import { startFakeWorker, type FakeWorker } from './fake-worker.ts';
import type { FleetAnswer, FleetOrder, FleetProcessOptions } from './fake-fleet.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as FleetProcessOptions;
const config = loadConfig({
  REDIS_URL: options.redisUrl,
  RERANK_STATE_DIR: options.stateDirectory,
  DRAIN_MS: '1000',
  ...options.settings,
});
const log = createLogger({ level: 'warn', process: 'worker' });
const workers: FakeWorker[] = [];
const answer = (message: FleetAnswer): void => void process.send?.(message);

async function follow(order: FleetOrder): Promise<void> {
  if (order === 'stop') {
    await Promise.all(workers.map((worker) => worker.stop()));
    answer({ type: 'stopped' });
    process.disconnect();
    return;
  }
  const sum = (of: (worker: FakeWorker) => number): number => workers.reduce((total, worker) => total + of(worker), 0);
  const cpu = process.cpuUsage();
  answer({
    type: 'stats',
    atMs: performance.timeOrigin + performance.now(),
    pairs: sum(({ runner }) => runner.pairs),
    batches: sum(({ runner }) => runner.batches),
    lateMs: sum(({ runner }) => runner.lateMs),
    cpuMs: (cpu.user + cpu.system) / 1_000,
    rssBytes: process.memoryUsage.rss(),
  });
}

process.on('message', (order) => void follow(order as FleetOrder));
process.on('disconnect', () => process.exit());
for (let number = 0; number < options.workers; number += 1) workers.push(await startFakeWorker(config, options.shape, log));
answer({ type: 'ready' });
