import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FileLock } from '@rerank-fleet/core/models';
import { forkNode } from './fork-node.js';
import { createLogs, type PrefixedLog } from './prefixed-output.js';
import { startPrivateRedis } from './redis-supervisor.js';
import { StackError } from './stack-error.js';
import { DEFAULT_RESTARTS, type RestartPolicy, type RunningStack, type StackOptions } from './stack-options.js';
import { claimStateDirectory } from './state-directory.js';
import { SupervisedProcess } from './supervised-process.js';

const DEFAULT_DRAIN_MS = 25_000;
const DEFAULT_READY_TIMEOUT_MS = 180_000;
/** Redis writes its last second and ends; a disk that takes longer than this is not coming back. */
const REDIS_STOP_MS = 10_000;

const builtEntry = (app: string): string => fileURLToPath(new URL(`../../../${app}/dist/main.js`, import.meta.url));

/** Processes on one machine cannot share a port. */
function opsPort({ opsPort: first }: StackOptions, position: number): { readonly OPS_PORT?: string } {
  return first === undefined ? {} : { OPS_PORT: String(first === 0 ? 0 : first + position) };
}

/** Starts the processes, in order, and ends them in the other. */
class Stack implements RunningStack {
  private redis: SupervisedProcess | undefined;
  private redisStart: Promise<unknown> | undefined;
  private api: SupervisedProcess | undefined;
  private readonly workers = new Map<string, SupervisedProcess>();
  private readonly logs: (name: string) => PrefixedLog;
  private readonly log: PrefixedLog;
  private readonly restarts: RestartPolicy;
  /** Aborted when the stack is to end, with the reason where that is a fault. */
  private readonly ending = new AbortController();
  private readonly hurry = new AbortController();
  private stopped: Promise<void> | undefined;
  private fault: StackError | undefined;
  private settleClosed!: { resolve: () => void; reject: (error: StackError) => void };
  readonly closed: Promise<void>;
  url = '';
  redisUrl = '';

  constructor(
    private readonly options: StackOptions,
    private readonly lock: FileLock,
  ) {
    this.logs = createLogs(options.output ?? process.stderr);
    this.log = this.logs('up');
    this.restarts = { ...DEFAULT_RESTARTS, ...options.restarts };
    this.closed = new Promise((resolve, reject) => {
      this.settleClosed = { resolve, reject };
    });
    // Whoever does not look at `closed` is told by the log.
    this.closed.catch(() => undefined);
  }

  async start(): Promise<void> {
    const { options } = this;
    options.signal?.addEventListener('abort', () => void this.stop(), { once: true });
    options.forceSignal?.addEventListener('abort', () => void this.kill(), { once: true });
    if (options.redisUrl === undefined) {
      const starting = startPrivateRedis({
        stack: options,
        restarts: this.restarts,
        log: this.logs('redis'),
        signal: this.ending.signal,
        onGivenUp: this.giveUp,
      });
      this.redisStart = starting.then((redis) => (this.redis = redis.process));
      const redis = await starting;
      await this.redisStart;
      this.redisUrl = redis.url;
    } else {
      this.redisUrl = options.redisUrl;
    }
    this.ending.signal.throwIfAborted();
    this.startPrograms();
    await this.firstReadiness();
  }

  private startPrograms(): void {
    const { options } = this;
    const count = options.workers ?? 1;
    this.api = this.supervise('api', options.apiEntry ?? builtEntry('api'), opsPort(options, 0));
    for (let number = 1; number <= count; number += 1) {
      const name = count === 1 ? 'worker' : `worker-${number}`;
      this.workers.set(name, this.supervise(name, options.workerEntry ?? builtEntry('worker'), opsPort(options, number)));
    }
  }

  private supervise(name: string, entry: string, ops: NodeJS.ProcessEnv): SupervisedProcess {
    const { options } = this;
    const log = this.logs(name);
    const environment = {
      ...options.environment,
      REDIS_URL: this.redisUrl,
      RERANK_STATE_DIR: resolve(options.stateDirectory),
      ...(options.host === undefined ? {} : { HOST: options.host }),
      ...(options.port === undefined ? {} : { PORT: String(options.port) }),
      ...ops,
    };
    const program = { entry, environment, log, readyTimeoutMs: options.readyTimeoutMs ?? DEFAULT_READY_TIMEOUT_MS };
    return new SupervisedProcess({
      name,
      log,
      restarts: this.restarts,
      onGivenUp: this.giveUp,
      start: (onSpawn) => forkNode({ ...program, environment: { ...environment, ...this.knownPort() } }, onSpawn),
    });
  }

  /** Clients know the address by now: an API that is started again must not pick another free port. */
  private knownPort(): { readonly PORT?: string } {
    return this.url === '' ? {} : { PORT: new URL(this.url).port };
  }

  /** Waits until every process has been ready once, or the stack ends. */
  private async firstReadiness(): Promise<void> {
    const ended = new Promise<never>((_, reject) => {
      this.ending.signal.addEventListener(
        'abort',
        () => {
          reject(this.fault ?? new StackError('stopped before it was ready'));
        },
        { once: true },
      );
    });
    const api = this.api;
    const processes = [...(api === undefined ? [] : [api]), ...this.workers.values()];
    const [first] = await Promise.race([Promise.all(processes.map((supervised) => supervised.ready)), ended]);
    this.url = first?.url ?? `http://${this.options.host ?? '127.0.0.1'}:${this.options.port ?? 8080}`;
  }

  private readonly giveUp = (error: StackError): void => {
    this.fault ??= error;
    void this.stop();
  };

  pids(): ReadonlyMap<string, number> {
    const all = [['redis', this.redis] as const, ['api', this.api] as const, ...this.workers];
    return new Map(all.flatMap(([name, supervised]) => (supervised?.pid === undefined ? [] : [[name, supervised.pid] as const])));
  }

  stop(): Promise<void> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  async kill(): Promise<void> {
    this.hurry.abort();
    await this.stop();
  }

  private async end(): Promise<void> {
    this.ending.abort(this.fault);
    this.log.line('stopping');
    const drainMs = this.options.drainMs ?? DEFAULT_DRAIN_MS;
    const deadline = Date.now() + drainMs;
    // The API's open requests need the workers, so the workers follow it. Half the time is theirs whatever the API does.
    const api = this.api?.stop('SIGTERM') ?? Promise.resolve();
    await this.within(api, drainMs / 2);
    const workers = [...this.workers.values()].map((worker) => worker.stop('SIGTERM'));
    const programs = Promise.all([api, ...workers]);
    if (!(await this.within(programs, deadline - Date.now()))) {
      this.log.line('killing what has not ended');
      await Promise.all([this.api?.stop('SIGKILL'), ...[...this.workers.values()].map((worker) => worker.stop('SIGKILL'))]);
    }
    await this.endRedis();
    this.lock.release();
    this.log.line('stopped');
    if (this.fault === undefined) this.settleClosed.resolve();
    else this.settleClosed.reject(this.fault);
  }

  private async endRedis(): Promise<void> {
    // A start that is under way ends by the signal, and nothing may be left running when the lock is released.
    await this.redisStart?.catch(() => undefined);
    if (this.redis === undefined) return;
    const ended = this.redis.stop('SIGTERM').then(() => true);
    const late = sleep(REDIS_STOP_MS, false, { ref: false });
    if (!(await Promise.race([ended, late]))) await this.redis.stop('SIGKILL');
  }

  /** Whether the work ended within the time, and before `kill()`. */
  private async within(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
    const done = work.then(() => true);
    const late = sleep(Math.max(0, timeoutMs), false, { signal: this.hurry.signal, ref: false }).catch(() => false);
    return Promise.race([done, late]);
  }

  /** Why the start failed, once everything it started has ended. */
  async abandon(error: unknown): Promise<never> {
    await this.stop();
    this.options.signal?.throwIfAborted();
    throw this.fault ?? error;
  }
}

/**
 * Runs the embedded stack on one state directory: a private Redis (unless `redisUrl` is given), the API and workers, each a process that is
 * started again when it dies. Resolves when all are ready. None of them outlives this process, however it ends.
 *
 * @throws StackError with what to do: the directory is in use, Redis does not start, a program refuses its configuration or fails five times
 */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  options.signal?.throwIfAborted();
  const stateDirectory = resolve(options.stateDirectory);
  const stack = new Stack({ ...options, stateDirectory }, claimStateDirectory(stateDirectory));
  try {
    await stack.start();
  } catch (error) {
    await stack.abandon(error);
  }
  return stack;
}
