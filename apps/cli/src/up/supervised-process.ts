import type { ChildProcess } from 'node:child_process';
import type { PrefixedLog } from './prefixed-output.js';
import { StackError } from './stack-error.js';
import type { RestartPolicy } from './stack-options.js';

/** Status of a process that refuses its configuration: starting it again cannot help. */
const EXIT_CONFIG = 78;
/** Status of a worker that ended in order because its memory had grown: no failure. */
const EXIT_RECYCLE = 75;
const TAIL_SHOWN = 8;

export interface SupervisedOptions {
  readonly name: string;
  readonly log: PrefixedLog;
  readonly restarts: RestartPolicy;
  /** Starts the process; resolves when it is ready, with what it said of itself. It must not leave one behind when it rejects. */
  readonly start: (onSpawn: (child: ChildProcess) => void) => Promise<StartedProcess>;
  /** Called once, when it will not be started again although nobody asked it to end. */
  readonly onGivenUp: (error: StackError) => void;
}

export interface StartedProcess {
  readonly child: ChildProcess;
  /** Base URL, of a process that listens. */
  readonly url?: string | undefined;
}

/** A start that ended before the process was ready. */
export class FailedStartError extends Error {
  constructor(readonly status: string) {
    super(`ended before it was ready (${status})`);
  }
}

const describeExit = (child: ChildProcess): string => child.signalCode ?? `exit ${child.exitCode ?? '?'}`;
const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** Time for what a process wrote last to be read. Its pipes can stay open longer, held by a child of its own. */
const LAST_WORDS_MS = 300;

/** Resolves when the process has ended and its output is read. */
export function untilEnded(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const exited = (): void => {
      setTimeout(resolve, LAST_WORDS_MS);
    };
    child.once('close', () => {
      resolve();
    });
    if (hasEnded(child)) exited();
    else child.once('exit', exited);
  });
}

/** Keeps one process running: started again after each death, later each time, until it is stopped. */
export class SupervisedProcess {
  private child: ChildProcess | undefined;
  private stopping = false;
  private everReady = false;
  private failures = 0;
  private spawnedAt = 0;
  private readonly wake = new AbortController();
  private readonly running: Promise<void>;
  private markReady!: (started: StartedProcess) => void;
  /** Resolves at the first readiness; never rejects. */
  readonly ready: Promise<StartedProcess>;

  constructor(private readonly options: SupervisedOptions) {
    this.ready = new Promise((resolve) => {
      this.markReady = resolve;
    });
    this.running = this.run();
  }

  get pid(): number | undefined {
    return this.child !== undefined && !hasEnded(this.child) ? this.child.pid : undefined;
  }

  /** Sends the signal, and starts nothing any more. Resolves when the process has ended. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.stopping = true;
    this.wake.abort();
    if (this.child !== undefined && !hasEnded(this.child)) this.child.kill(signal);
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      const error = await this.runOnce();
      if (this.stopping) return;
      if (error === undefined && this.child?.exitCode === EXIT_RECYCLE) {
        this.failures = 0;
        this.options.log.line('ended to give its memory back; starting again');
        continue;
      }
      const gaveUp = this.judge(error);
      if (gaveUp !== undefined) {
        this.stopping = true;
        this.options.onGivenUp(gaveUp);
        return;
      }
      await this.backOff();
    }
  }

  /** From a start to the end of the process; resolves to what the start failed with, if it did. */
  private async runOnce(): Promise<unknown> {
    this.spawnedAt = Date.now();
    try {
      const started = await this.options.start((child) => {
        this.child = child;
        if (this.stopping) child.kill('SIGKILL');
      });
      this.everReady = true;
      this.markReady(started);
      await untilEnded(started.child);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  private judge(error: unknown): StackError | undefined {
    const { name, log, restarts } = this.options;
    if (error instanceof StackError && !this.everReady) return error;
    if (Date.now() - this.spawnedAt >= restarts.stableMs) this.failures = 0;
    this.failures += 1;
    const status = this.describe(error);
    const lastLines = log
      .tail()
      .slice(-TAIL_SHOWN)
      .map((line) => `  ${line}`)
      .join('\n');
    if (this.child?.exitCode === EXIT_CONFIG)
      return new StackError(`${name} cannot run as it is configured:\n${lastLines}`, { exitCode: EXIT_CONFIG });
    if (!this.everReady && this.failures >= restarts.firstStarts) {
      return new StackError(`${name} did not start in ${this.failures} attempts (${status}). Its last lines:\n${lastLines}`);
    }
    log.line(`ended (${status})`);
    return undefined;
  }

  private describe(error: unknown): string {
    if (error instanceof FailedStartError) return error.status;
    if (error instanceof Error) return error.message;
    return this.child === undefined ? 'it did not start' : describeExit(this.child);
  }

  private async backOff(): Promise<void> {
    const { minDelayMs, maxDelayMs } = this.options.restarts;
    const delayMs = Math.min(maxDelayMs, minDelayMs * 2 ** (this.failures - 1)) * (0.75 + Math.random() / 2);
    this.options.log.line(`starting again in ${(delayMs / 1_000).toFixed(1)} s`);
    if (this.wake.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.wake.signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
}
