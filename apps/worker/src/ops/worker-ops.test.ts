import { loadConfig } from '@rerank-fleet/core/config';
import { createLogger } from '@rerank-fleet/core/observability';
import { describe, expect, it } from 'vitest';
import { parsePrometheus, sumOf } from '../../../../test/support/prometheus-text.js';
import { WorkerOps } from './worker-ops.js';

const start = () => WorkerOps.start(loadConfig({}), createLogger({ level: 'silent', process: 'test' }));

describe(WorkerOps, () => {
  it('is ready only between its warm-up and its drain', async () => {
    const ops = await start();
    const ready = async () => [ops.health().status, sumOf(parsePrometheus(await ops.metrics.text()), 'rerank_fleet_worker_ready')];
    expect(await ready()).toEqual(['error', 0]);
    ops.enter('ready');
    expect(await ready()).toEqual(['ok', 1]);
    ops.enter('draining');
    expect(await ready()).toEqual(['error', 0]);
    await ops.close();
  });

  it('says what it is', async () => {
    const ops = await start();
    expect(sumOf(parsePrometheus(await ops.metrics.text()), 'rerank_fleet_worker_info', { pool: 'default', device: 'cpu' })).toBe(1);
  });
});
