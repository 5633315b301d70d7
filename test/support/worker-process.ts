import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from './environment.js';

const MAIN = fileURLToPath(new URL('../../apps/worker/dist/main.js', import.meta.url));

export interface WorkerProcessOptions {
  readonly redisUrl: string;
  readonly stateDirectory: string;
  /** Names or folders; the first is the default. */
  readonly rerankModels: readonly string[];
  readonly embeddingModel: string;
  /** Other variables of the worker. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A worker in a process of its own, as a supervisor starts it. */
export class WorkerProcess {
  /** Its log, parsed. */
  readonly log: Record<string, unknown>[] = [];
  readonly exited: Promise<WorkerExit>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#note(line));
    }
  }

  /** A worker that may still be loading its models, or refuse to start. */
  static spawn(options: WorkerProcessOptions): WorkerProcess {
    const env = childEnvironment({
      LOG_LEVEL: 'info',
      AUTO_TUNE: 'false',
      INFERENCE_THREADS: '1',
      MAX_BATCH_DELAY_MS: '0',
      REDIS_URL: options.redisUrl,
      RERANK_STATE_DIR: options.stateDirectory,
      RERANK_MODELS: options.rerankModels.join(','),
      EMBEDDING_MODEL: options.embeddingModel,
      ...options.settings,
    });
    return new WorkerProcess(fork(MAIN, { env, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }));
  }

  /** Resolves when the worker takes tasks. */
  static async start(options: WorkerProcessOptions): Promise<WorkerProcess> {
    const worker = WorkerProcess.spawn(options);
    const ready = once(worker.#child, 'message').then(() => undefined);
    const ended = await Promise.race([ready, worker.exited]);
    if (ended !== undefined) throw new Error(`The worker ended with ${String(ended.code)} before it was ready:\n${worker.text}`);
    return worker;
  }

  /** Its log as it was written. */
  get text(): string {
    return this.log.map((line) => JSON.stringify(line)).join('\n');
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves with the first line of its log that fits, also one already written. */
  logged(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.log.find(fits);
        if (found === undefined) return;
        this.#watchers.delete(look);
        resolve(found);
      };
      this.#watchers.add(look);
      look();
    });
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<WorkerExit> {
    this.#child.kill(signal);
    return await this.exited;
  }

  /** Closes the channel to its supervisor. */
  disconnect(): void {
    this.#child.disconnect();
  }

  #note(line: string): void {
    this.log.push(parseLine(line));
    for (const look of [...this.#watchers]) look();
  }
}

function parseLine(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { text: line };
  }
}
