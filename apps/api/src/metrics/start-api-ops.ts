import type { Config } from '@rerank-fleet/core/config';
import { healthRoute, metricsRoute, OpsServer } from '@rerank-fleet/core/observability';
import type { Logger } from 'pino';
import type { HealthService } from '../health/health.service.js';
import { scalingRoute } from '../scaling/scaling-ops.js';
import type { ScalingService } from '../scaling/scaling.service.js';
import type { ApiMetrics } from './api-metrics.js';

export interface ApiOpsParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly health: HealthService;
  readonly metrics: ApiMetrics;
  readonly scaling: Pick<ScalingService, 'read'>;
}

/**
 * Metrics, probes and what an autoscaler reads, on `OPS_PORT`, where it is set.
 *
 * @throws OpsAddressError
 */
export async function startApiOps({ config: { ops }, logger, health, metrics, scaling }: ApiOpsParts): Promise<OpsServer | undefined> {
  if (ops.port === undefined) return undefined;
  const server = await OpsServer.listen({
    host: ops.host,
    port: ops.port,
    routes: {
      '/health/live': healthRoute(() => health.live()),
      '/health/ready': healthRoute(() => health.ready()),
      '/metrics': metricsRoute(metrics),
      '/v1/scaling': scalingRoute(scaling),
    },
    onFault: (error) => logger.error({ err: error }, 'a probe or a scrape could not be answered'),
  });
  logger.info({ url: server.url }, `metrics and probes on ${server.url}`);
  return server;
}
