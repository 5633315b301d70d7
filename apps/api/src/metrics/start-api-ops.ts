import type { Config } from '@rerank-fleet/core/config';
import { healthRoute, metricsRoute, OpsServer } from '@rerank-fleet/core/observability';
import type { Logger } from 'pino';
import type { HealthService } from '../health/health.service.js';
import type { ApiMetrics } from './api-metrics.js';

export interface ApiOpsParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly health: HealthService;
  readonly metrics: ApiMetrics;
}

/**
 * Metrics and probes on `OPS_PORT`, where it is set.
 *
 * @throws OpsAddressError
 */
export async function startApiOps({ config: { ops }, logger, health, metrics }: ApiOpsParts): Promise<OpsServer | undefined> {
  if (ops.port === undefined) return undefined;
  const server = await OpsServer.listen({
    host: ops.host,
    port: ops.port,
    routes: {
      '/health/live': healthRoute(() => health.live()),
      '/health/ready': healthRoute(() => health.ready()),
      '/metrics': metricsRoute(metrics),
    },
    onFault: (error) => logger.error({ err: error }, 'a probe or a scrape could not be answered'),
  });
  logger.info({ url: server.url }, `metrics and probes on ${server.url}`);
  return server;
}
