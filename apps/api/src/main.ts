import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ConfigError, EXIT_CONFIG, loadConfig, type Config } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import { pino, type Logger } from 'pino';
import { openAdapters, type OpenAdapters } from './adapters.module.js';
import { createApp } from './create-app.js';

/** How long a process waits at its start for Redis and the stores, which may be starting too. */
const BOOT_PATIENCE_MS = 30_000;
const BOOT_PAUSE_MS = 1_000;
/** How long requests in flight have to end. */
const DRAIN_MS = 25_000;

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

async function listen(app: NestFastifyApplication, { host, port }: Config['http']): Promise<string> {
  try {
    await app.listen(port, host);
    return await app.getUrl();
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

/** Stops once, whoever asks first: a signal, or the supervisor that went away. */
function stopOnRequest(logger: Logger, stop: () => Promise<void>): void {
  let stopping = false;
  const begin = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ reason }, 'stopping: no new requests, those in flight end');
    const late = setTimeout(() => {
      logger.warn(`requests still ran after ${DRAIN_MS} ms and were cut off`);
      process.exit(0);
    }, DRAIN_MS);
    stop().then(
      () => {
        clearTimeout(late);
        process.exit(0);
      },
      (error: unknown) => {
        logger.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => begin('SIGTERM'));
  process.on('SIGINT', () => begin('SIGINT'));
  process.on('disconnect', () => begin('the supervisor went away'));
}

async function start(config: Config, logger: Logger): Promise<void> {
  const adapters = await openWithPatience(config, logger);
  const app = await createApp({ config, logger, adapters });
  stopOnRequest(logger, async () => {
    await app.close();
    await adapters.close();
  });
  const url = await listen(app, config.http);
  logger.info({ url }, `listening on ${url}, documentation on ${url}/docs`);
  process.send?.({ type: 'ready', url });
}

async function main(): Promise<void> {
  let config: Config;
  try {
    config = loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_CONFIG);
  }
  const logger = pino({ level: config.logging.level, base: { service: 'api' } });
  try {
    await start(config, logger);
  } catch (error) {
    const refused = error instanceof RefusedStartError || (error instanceof Error && error.name === 'UnfitRedisError');
    const message = error instanceof RerankError ? error.detail : error instanceof Error ? error.message : 'The start failed.';
    logger.fatal(refused || error instanceof RerankError ? {} : { err: error }, message);
    process.stderr.write(`${message}\n`);
    process.exit(refused ? EXIT_CONFIG : 1);
  }
}

await main();
