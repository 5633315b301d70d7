import type { Command } from 'commander';
import { loadConfig } from '@rerank-fleet/core/config';
import type { RunningStack } from '../up/stack-options.js';
import { StackError } from '../up/stack-error.js';
import { startStack } from '../up/start-stack.js';
import { cacheDirectory, processEnvironment } from './local-settings.js';

/** Time beyond the worker's own, for what its drain does not count: closing connections, and the API's requests before it. */
const DRAIN_MARGIN_MS = 5_000;
/** npm, the terminal and set-up each pass one Ctrl-C on: signals this close together are one. */
const SAME_KEYSTROKE_MS = 1_000;

interface UpFlags {
  readonly port?: string;
  readonly host?: string;
  readonly workers: string;
  readonly demo?: boolean;
}

/** Runs when the stack is ready and `--demo` was given. Its failure is told, and the stack goes on. */
export type Demo = (stack: RunningStack, signal: AbortSignal) => Promise<void>;

function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new StackError(`${flag} must be a whole number from ${min} to ${max}.`, { exitCode: 2 });
}

/** The first signal drains; one that comes later than the same keystroke's echoes ends everything at once. */
function onSignals(drain: () => void, force: () => void): () => void {
  let firstAt: number | undefined;
  const handle = (): void => {
    if (firstAt === undefined) {
      firstAt = Date.now();
      drain();
    } else if (Date.now() - firstAt > SAME_KEYSTROKE_MS) {
      force();
    }
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, handle);
  return () => {
    for (const signal of signals) process.removeListener(signal, handle);
  };
}

async function up(flags: UpFlags, demo: Demo | undefined): Promise<void> {
  const config = loadConfig();
  const ending = new AbortController();
  const force = new AbortController();
  const release = onSignals(
    () => {
      process.stderr.write('\nstopping; once more to stop at once\n');
      ending.abort(new StackError('stopped before it was ready', { exitCode: 130 }));
    },
    () => {
      force.abort();
    },
  );
  try {
    const stack = await startStack({
      stateDirectory: config.state.directory,
      cacheDirectory: cacheDirectory(config),
      environment: processEnvironment(),
      redisUrl: config.redis.given ? config.redis.url : undefined,
      host: flags.host ?? config.http.host,
      port: flags.port === undefined ? config.http.port : wholeNumber('--port', flags.port, 0, 65_535),
      opsPort: config.ops.port,
      workers: wholeNumber('--workers', flags.workers, 1, 64),
      drainMs: config.worker.drainMs + DRAIN_MARGIN_MS,
      signal: ending.signal,
      forceSignal: force.signal,
    });
    process.stderr.write(`\nready: ${stack.url}   (Ctrl-C stops)\n\n`);
    if (flags.demo === true && demo !== undefined) {
      await demo(stack, ending.signal).catch((error: unknown) => {
        if (!ending.signal.aborted) process.stderr.write(`The demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
      });
    }
    await stack.closed;
  } finally {
    release();
  }
}

/** `rerank up`: the whole stack on this machine, until Ctrl-C. */
export function registerUpCommand(program: Command, demo?: Demo): void {
  program
    .command('up')
    .description('run Redis, the API and a worker on this machine until Ctrl-C')
    .option('--port <port>', 'port of the API; 0 picks a free one (default: PORT, 8080)')
    .option('--host <address>', 'address of the API (default: HOST, 127.0.0.1)')
    .option('--workers <count>', 'worker processes', '1')
    .option('--demo', 'load the sample corpus and show one search')
    .action((flags: UpFlags) => up(flags, demo));
}
