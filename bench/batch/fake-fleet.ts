import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../../test/support/environment.ts';
import type { FakeModelShape } from './fake-model.ts';

const PROGRAM = fileURLToPath(new URL('fleet-process.ts', import.meta.url));
/** Workers in one process share its threads for files; each would have four of its own. */
const FILE_THREADS = 64;

export interface FleetProcessOptions {
  readonly redisUrl: string;
  readonly stateDirectory: string;
  readonly workers: number;
  readonly shape: FakeModelShape;
  /** Other variables of the workers. */
  readonly settings?: Readonly<Record<string, string>>;
}

export type FleetOrder = 'stats' | 'stop';

export interface FleetStats {
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly pairs: number;
  readonly batches: number;
  /** Milliseconds that the models' timers fired late. */
  readonly lateMs: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
}

export type FleetAnswer = { readonly type: 'ready' } | { readonly type: 'stopped' } | ({ readonly type: 'stats' } & FleetStats);

/** Simulated workers, shared out among a few processes. */
export class FakeFleet {
  readonly workers: number;
  readonly #children: readonly ChildProcess[];

  private constructor(workers: number, children: readonly ChildProcess[]) {
    this.workers = workers;
    this.#children = children;
  }

  /** Resolves when all of them take tasks. `profile` is a folder for CPU profiles, one a process. */
  static async start(options: FleetProcessOptions & { readonly processes: number; readonly profile?: string }): Promise<FakeFleet> {
    const { processes, profile, workers, ...rest } = options;
    const count = Math.min(processes, workers);
    const execArgv = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    const children = Array.from({ length: count }, (_, position) => {
      const share = Math.floor(workers / count) + (position < workers % count ? 1 : 0);
      const own: FleetProcessOptions = { ...rest, workers: share };
      return fork(PROGRAM, [JSON.stringify(own)], {
        env: childEnvironment({ UV_THREADPOOL_SIZE: String(FILE_THREADS) }),
        execArgv,
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
    });
    await Promise.all(children.map((child) => answerOf(child, 'ready')));
    return new FakeFleet(workers, children);
  }

  get pids(): number[] {
    return this.#children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** Totals since the start, at the mean of the moments at which the processes told. */
  async stats(): Promise<FleetStats> {
    const all = await Promise.all(
      this.#children.map((child) => {
        child.send('stats' satisfies FleetOrder);
        return answerOf(child, 'stats');
      }),
    );
    const sum = (of: (stats: FleetStats) => number): number => all.reduce((total, stats) => total + of(stats), 0);
    return {
      atMs: sum(({ atMs }) => atMs) / all.length,
      pairs: sum(({ pairs }) => pairs),
      batches: sum(({ batches }) => batches),
      lateMs: sum(({ lateMs }) => lateMs),
      cpuMs: sum(({ cpuMs }) => cpuMs),
      rssBytes: sum(({ rssBytes }) => rssBytes),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exited = once(child, 'exit');
        child.send('stop' satisfies FleetOrder);
        await exited;
      }),
    );
  }
}

/** The child's next answer of a kind; a child that ends instead is a fault of the bench. */
function answerOf<Type extends FleetAnswer['type']>(child: ChildProcess, type: Type): Promise<Extract<FleetAnswer, { type: Type }>> {
  return new Promise((resolve, reject) => {
    const listen = (message: unknown): void => {
      const answer = message as FleetAnswer;
      if (answer.type !== type) return;
      stopListening();
      resolve(answer as Extract<FleetAnswer, { type: Type }>);
    };
    const ended = (code: number | null): void => {
      stopListening();
      reject(new Error(`A process of simulated workers ended with ${String(code)}.`));
    };
    const stopListening = (): void => {
      child.off('message', listen);
      child.off('exit', ended);
    };
    child.on('message', listen);
    child.on('exit', ended);
  });
}
