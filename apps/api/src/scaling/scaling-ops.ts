import { scalingQuerySchema } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { OpsAnswer, OpsRoute } from '@rerank-fleet/core/observability';
import type { FleetSource } from '@rerank-fleet/core/requests';
import type { ApiMetrics } from '../metrics/api-metrics.js';
import { meteredPools } from '../metrics/metered-pools.js';
import type { ScalingService } from './scaling.service.js';

/** `/v1/scaling` on `OPS_PORT`. An error is no number: an autoscaler that reads one keeps what it has. */
export function scalingRoute(scaling: Pick<ScalingService, 'read'>): OpsRoute {
  return async (query) => {
    const asked = scalingQuerySchema.safeParse(Object.fromEntries(query));
    if (!asked.success) return answer(400, { code: 'invalid_request', message: 'pool must be the name of a pool; nothing else is taken.' });
    try {
      return answer(200, await scaling.read(asked.data.pool));
    } catch (error) {
      if (!(error instanceof RerankError)) throw error;
      return answer(503, { code: error.code, message: error.detail });
    }
  };
}

const answer = (status: number, body: object): OpsAnswer => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: JSON.stringify(body),
});

export interface CollectedScaling {
  readonly scaling: Pick<ScalingService, 'of'>;
  readonly fleet: Pick<FleetSource, 'remembered'>;
}

/** The same for Prometheus, of every pool that has or awaits workers. */
export function collectScaling(metrics: ApiMetrics, { scaling, fleet }: CollectedScaling): void {
  const { outstandingTokens, desiredWorkers } = metrics.instruments;
  metrics.addCollector({
    name: 'scaling',
    gauges: [outstandingTokens, desiredWorkers],
    read: async () => {
      const pools = await meteredPools(fleet);
      const all = await Promise.all(pools.map((pool) => scaling.of(pool)));
      return () => {
        for (const { pool, tokens, desired_workers: desired } of all) {
          desiredWorkers.set(desired, { pool });
          for (const [kind, count] of Object.entries(tokens)) outstandingTokens.set(count, { pool, kind });
        }
      };
    },
  });
}
