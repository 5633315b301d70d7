import { ConfigError, EXIT_CONFIG, loadConfig, type Config } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import { createLogger, type Logger } from '@rerank-fleet/core/observability';
import { startWorker, type RunningWorker } from './composition/start-worker.js';

/** A batch that hangs or a thread that does not come back: the supervisor starts a new process (EX_SOFTWARE of sysexits.h). */
const EXIT_HANG = 70;
/** Faults that a restart does not mend. */
const CONFIGURATION_FAULTS = new Set(['model_not_found', 'model_unavailable']);

function readConfig(): Config {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_CONFIG);
  }
}

function refuse(log: Logger, error: unknown): never {
  const detail = error instanceof RerankError ? error.detail : error instanceof Error ? error.message : String(error);
  log.fatal({ err: error }, `The worker cannot start: ${detail}`);
  const configuration =
    error instanceof RerankError ? CONFIGURATION_FAULTS.has(error.code) : error instanceof Error && error.name === 'UnfitRedisError';
  process.exit(configuration ? EXIT_CONFIG : 1);
}

function stopOnce(worker: RunningWorker, log: Logger): () => void {
  let stopping = false;
  return () => {
    if (stopping) return;
    stopping = true;
    log.info('Stopping: tasks in hand are ended first.');
    worker.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'The worker did not stop in order.');
        process.exit(1);
      },
    );
  };
}

const config = readConfig();
const log = createLogger({ level: config.logging.level, process: 'worker' });
const worker = await startWorker(config, log, (detail) => {
  log.fatal({ detail }, 'The worker ends: a batch hangs, and a thread inside the model cannot be interrupted.');
  process.exit(EXIT_HANG);
}).catch((error: unknown) => refuse(log, error));
const stop = stopOnce(worker, log);
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
// No process outlives its supervisor.
process.on('disconnect', stop);
log.info(
  {
    worker: worker.workerId,
    pool: config.worker.pool,
    models: worker.models.revisions.map(({ name, precision }) => `${name} (${precision})`),
  },
  'The worker is ready.',
);
process.send?.({ type: 'ready' });
