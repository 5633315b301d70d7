import { ConfigError, EXIT_CONFIG, EXIT_RECYCLE, loadConfig, silenceModelRuntime, type Config } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import { createLogger, type Logger } from '@rerank-fleet/core/observability';
import { startWorker, type RunningWorker } from './composition/start-worker.js';
import { MemoryWatch } from './inference/memory-watch.js';
import { keepHeapSmall } from './inference/steady-heap.js';

/** Time beyond the drain for closing models, stores and connections. */
const CLOSE_MS = 4_000;
/** Time after the supervisor has gone. */
const ORPHAN_MS = 2_000;
/** Faults that a restart does not mend. */
const CONFIGURATION_FAULTS = new Set(['model_not_found', 'model_unavailable']);
const CONFIGURATION_ERRORS = new Set(['UnfitRedisError', 'OpsAddressError']);

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
  const configuration =
    error instanceof RerankError ? CONFIGURATION_FAULTS.has(error.code) : error instanceof Error && CONFIGURATION_ERRORS.has(error.name);
  // What the user can mend is told in a sentence, without the place in the code.
  log.fatal(configuration ? {} : { err: error }, `The worker cannot start: ${detail}`);
  process.exit(configuration ? EXIT_CONFIG : 1);
}

/** `process.exit` waits for every thread, so it never comes back from one that hangs inside the model. */
function endNow(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('The process was killed.');
}

/** Ends the process once, in order, and at the latest when the time is over: a connection to a Redis that has gone never closes by itself. */
class Lifecycle {
  #worker: RunningWorker | undefined;
  #stopping = false;

  constructor(private readonly log: Logger) {}

  started(worker: RunningWorker): void {
    this.#worker = worker;
  }

  /** A later call with less time shortens an earlier one. `status` is what the process exits with if it stops in order. */
  end(withinMs: number, status = 0): void {
    if (this.#worker === undefined) process.exit(0);
    setTimeout(() => {
      this.log.warn(`The worker did not stop within ${withinMs} ms and was cut off; what it had in hand goes to another.`);
      endNow();
    }, withinMs);
    if (this.#stopping) return;
    this.#stopping = true;
    this.log.info('Stopping: tasks in hand are ended first.');
    this.#worker.stop().then(
      () => process.exit(status),
      (error: unknown) => {
        this.log.error({ err: error }, 'The worker did not stop in order.');
        process.exit(1);
      },
    );
  }
}

keepHeapSmall();
silenceModelRuntime();
const config = readConfig();
const log = createLogger({ level: config.logging.level, process: 'worker' });
const lifecycle = new Lifecycle(log);
const drain = (): void => lifecycle.end(config.worker.drainMs + CLOSE_MS);
process.on('SIGTERM', drain);
process.on('SIGINT', drain);
// No process outlives its supervisor. A private Redis ends with it, so there is nobody to end the tasks for.
process.on('disconnect', () => lifecycle.end(ORPHAN_MS));
const worker = await startWorker(config, log, (detail) => {
  log.fatal({ detail }, 'The worker ends: a batch hangs, and a thread inside the model cannot be interrupted.');
  endNow();
}).catch((error: unknown) => refuse(log, error));
lifecycle.started(worker);
log.info(
  {
    worker: worker.workerId,
    pool: config.worker.pool,
    models: worker.models.revisions.map(({ name, precision }) => `${name} (${precision})`),
  },
  'The worker is ready.',
);
const memory = new MemoryWatch({
  maxRssBytes: config.worker.maxRssBytes,
  lateBytes: worker.models.lateBytes,
  onExceeded: (reading) => {
    log.warn(reading, 'The memory of this worker has grown too far; it ends its tasks, for a new one to take its place.');
    lifecycle.end(config.worker.drainMs + CLOSE_MS, EXIT_RECYCLE);
  },
  onUnfit: (reading) =>
    log.warn(reading, 'WORKER_MAX_RSS_BYTES is less than the models alone take, so a new process would not help; the default is used.'),
});
// A worker that stops anyway is not told to stop.
process.once('SIGTERM', () => memory.stop());
process.send?.({ type: 'ready' });
