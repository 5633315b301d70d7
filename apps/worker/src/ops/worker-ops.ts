import type { Config } from '@rerank-fleet/core/config';
import { healthRoute, metricsRoute, OpsServer, type Logger, type OpsHealth } from '@rerank-fleet/core/observability';
import { createWorkerMetrics, type WorkerMetrics } from './worker-metrics.js';

/** `starting` until models are warm and tasks are taken; `draining` from the signal to stop. */
export type WorkerState = 'starting' | 'ready' | 'draining';

/** Metrics and probes of a worker, from the first moment of its start to the last of its end. */
export class WorkerOps {
  readonly metrics: WorkerMetrics;
  #state: WorkerState = 'starting';
  #server: OpsServer | undefined;

  private constructor(metrics: WorkerMetrics) {
    this.metrics = metrics;
  }

  /** @throws OpsAddressError */
  static async start({ ops: { host, port }, worker: { pool, device } }: Config, log: Logger): Promise<WorkerOps> {
    const ops = new WorkerOps(createWorkerMetrics());
    ops.metrics.addProcessMetrics();
    ops.metrics.instruments.workerInfo.set(1, { pool, device });
    ops.enter('starting');
    if (port === undefined) return ops;
    ops.#server = await OpsServer.listen({
      host,
      port,
      routes: {
        '/health/live': healthRoute(() => ({ status: 'ok', checks: {} })),
        '/health/ready': healthRoute(() => ops.health()),
        '/metrics': metricsRoute(ops.metrics),
      },
      onFault: (error) => log.error({ err: error }, 'A probe or a scrape could not be answered.'),
    });
    log.info({ url: ops.#server.url }, `Metrics and probes are on ${ops.#server.url}.`);
    return ops;
  }

  get state(): WorkerState {
    return this.#state;
  }

  enter(state: WorkerState): void {
    this.#state = state;
    this.metrics.instruments.workerReady.set(state === 'ready' ? 1 : 0);
  }

  health(): OpsHealth {
    if (this.#state === 'ready') return { status: 'ok', checks: { worker: { status: 'ok' } } };
    const detail = this.#state === 'starting' ? 'models are loading' : 'it drains and takes no more tasks';
    return { status: 'error', checks: { worker: { status: 'error', detail } } };
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }
}
