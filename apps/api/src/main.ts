import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ConfigError, EXIT_CONFIG, loadConfig, type Config } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import { createLogger, openTracing, OpsAddressError, type Logger } from '@rerank-fleet/core/observability';
import { openAdapters, type OpenAdapters } from './adapters.module.js';
import { createApp } from './create-app.js';
import { keepHeapSmall } from './small-heap.js';
import type { HealthService } from './health/health.service.js';
import { createApiMetrics } from './metrics/api-metrics.js';
import { collectFleet } from './metrics/collect-fleet.js';
import { startApiOps } from './metrics/start-api-ops.js';
import { collectScaling } from './scaling/scaling-ops.js';
import type { ScalingService } from './scaling/scaling.service.js';
import { HEALTH_SERVICE, SCALING_SERVICE } from './tokens.js';
import { VERSION } from './version.js';

/** How long a process waits at its start for Redis and the stores, which may be starting too. */
const BOOT_PATIENCE_MS = 30_000;
const BOOT_PAUSE_MS = 1_000;
/** How long requests in flight have to end. */
const DRAIN_MS = 25_000;
/** The same when the supervisor has gone: workers and a private Redis end with it, and no process outlives it. */
const ORPHAN_MS = 2_000;

/** A start that cannot succeed by trying again: the message says what to change. */
class RefusedStartError extends Error {
  override readonly name = 'RefusedStartError';
}

async function openWithPatience(config: Config, logger: Logger): Promise<OpenAdapters> {
  const end = performance.now() + BOOT_PATIENCE_MS;
  for (;;) {
    try {
      return await openAdapters(config, logger);
    } catch (error) {
      if (!(error instanceof RerankError) || performance.now() + BOOT_PAUSE_MS >= end) throw error;
      logger.warn({ code: error.code }, `waiting at start: ${error.detail}`);
      await sleep(BOOT_PAUSE_MS);
    }
  }
}

/** Listens by the server itself: Nest would log a port in use as a fault of its own before anyone can explain it. */
async function listen(app: NestFastifyApplication, { host, port }: Config['http']): Promise<string> {
  try {
    return await app.getHttpAdapter().getInstance().listen({ host, port });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE')
      throw new RefusedStartError(`Port ${port} on ${host} is in use. Stop what listens there, or set PORT (0 picks a free one).`);
    if (code === 'EACCES')
      throw new RefusedStartError(`Port ${port} on ${host} may not be opened by this user. Set PORT to 1024 or above.`);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new RefusedStartError(`${host} is no address of this machine. Set HOST to one that is.`);
    throw error;
  }
}

/** Stops once, whoever asks first: a signal, or the supervisor that went away. Also while the process is still starting. */
class Lifecycle {
  readonly #logger: Logger;
  #stopping = false;
  #stop: () => Promise<void> = async () => undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.#begin(signal, DRAIN_MS));
    process.on('disconnect', () => void this.#begin('the supervisor went away', ORPHAN_MS));
  }

  /** What is to be done from now on when the process is told to stop. */
  whenStopped(stop: () => Promise<void>): void {
    this.#stop = stop;
  }

  /** A later call with less time shortens an earlier one. */
  async #begin(reason: string, withinMs: number): Promise<void> {
    setTimeout(() => {
      this.#logger.warn(`requests still ran after ${withinMs} ms and were cut off`);
      process.exit(0);
    }, withinMs);
    if (this.#stopping) return;
    this.#stopping = true;
    this.#logger.info({ reason }, 'stopping: no new requests, those in flight end');
    try {
      await this.#stop();
      process.exit(0);
    } catch (error) {
      this.#logger.error({ err: error }, 'stopping failed');
      process.exit(1);
    }
  }
}

async function start(config: Config, logger: Logger): Promise<void> {
  const lifecycle = new Lifecycle(logger);
  const tracing = await openTracing({ config: config.tracing, process: 'api', version: VERSION, logger });
  const adapters = await openWithPatience(config, logger);
  const metrics = createApiMetrics();
  metrics.addProcessMetrics();
  collectFleet(metrics, adapters);
  const app = await createApp({ config, logger, adapters }, metrics);
  const scaling = app.get<ScalingService>(SCALING_SERVICE);
  collectScaling(metrics, { scaling, fleet: adapters.fleet });
  const ops = await startApiOps({ config, logger, metrics, scaling, health: app.get<HealthService>(HEALTH_SERVICE) });
  lifecycle.whenStopped(async () => {
    await app.close();
    await adapters.close();
    await ops?.close();
    await tracing.close();
  });
  const url = await listen(app, config.http);
  logger.info({ url }, `listening on ${url}, documentation on ${url}/docs`);
  process.send?.({ type: 'ready', url });
}

async function main(): Promise<void> {
  keepHeapSmall();
  let config: Config;
  try {
    config = loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_CONFIG);
  }
  const logger = createLogger({ ...config.logging, process: 'api' });
  try {
    await start(config, logger);
  } catch (error) {
    const refused =
      error instanceof RefusedStartError ||
      error instanceof OpsAddressError ||
      (error instanceof Error && error.name === 'UnfitRedisError');
    const message = error instanceof RerankError ? error.detail : error instanceof Error ? error.message : 'The start failed.';
    logger.fatal(refused || error instanceof RerankError ? {} : { err: error }, message);
    process.stderr.write(`${message}\n`);
    process.exit(refused ? EXIT_CONFIG : 1);
  }
}

await main();
