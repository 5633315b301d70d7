import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { isAlive, processesOf, testCacheDirectory, testEnvironment, until } from '../support/stack.ts';
import { writeTinyModel } from '../support/tiny-models/index.ts';
import { ROLES, type Role, type StoreKind } from './fault-schedule.ts';
import { MemoryQdrant } from './memory-qdrant.ts';
import { TcpLink } from './tcp-link.ts';

const program = (name: string): string => fileURLToPath(new URL(`./programs/${name}.mjs`, import.meta.url));

/** Says to each process of the stack which one it is; nobody listens there. */
const FIRST_OPS_PORT = 20_000;
const READY_WITHIN_MS = 60_000;
/** As a service manager that always restarts. */
const RESTART_PAUSE_MS = 200;
const GONE_WITHIN_MS = 10_000;
/** Shorter than the longest fault, so that it is met. */
const QDRANT_TIMEOUT_MS = 1_500;

const redisPortFile = (root: string): string => join(root, 'state', 'redis', 'port');

interface Told {
  readonly url: string;
  readonly redisUrl: string;
  readonly pids: readonly (readonly [name: string, pid: number])[];
}

export type ObserverRedis = Awaited<ReturnType<typeof connectRedis>>;

/** A stack of two workers under a supervisor that can be killed, each process with a way to Redis that can be harmed. */
export class ChaosStack {
  /** Its mark in the environment of every process of the stack. */
  readonly root: string;
  readonly stateDirectory: string;
  readonly links: ReadonlyMap<Role, TcpLink>;
  /** The observer's way to Redis, which nothing harms: one that is started anew may be on another port. */
  readonly #observerLink: TcpLink;
  /** Undefined where corpora are in the embedded store. */
  readonly qdrant: MemoryQdrant | undefined;
  url = '';
  #redisUrl = '';
  #supervisor: ChildProcess | undefined;
  #ending = false;
  /** When this supervisor has ended, and the start of the next has begun. */
  #ended: Promise<void> = Promise.resolve();
  #restarting: Promise<void> = Promise.resolve();
  #told: Told | undefined;
  /** Processes that outlived a supervisor, and starts after a kill that failed. */
  readonly outlived: string[] = [];

  private constructor(root: string, ways: Pick<ChaosStack, 'links' | 'qdrant'> & { readonly observerLink: TcpLink }) {
    this.root = root;
    this.qdrant = ways.qdrant;
    this.stateDirectory = join(root, 'state');
    this.links = ways.links;
    this.#observerLink = ways.observerLink;
    process.once('exit', this.#removeFolder);
  }

  readonly #removeFolder = (): void => rmSync(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });

  static async start(store: StoreKind = 'embedded'): Promise<ChaosStack> {
    const root = await mkdtemp(join(tmpdir(), 'rerank-chaos-'));
    await mkdir(join(root, 'control'));
    await writeTinyModel(join(root, 'models', 'tiny-reranker'), { kind: 'cross-encoder', layout: 'bert' });
    await writeTinyModel(join(root, 'models', 'tiny-embedder'), { kind: 'embedder', layout: 'bert' });
    const redisPort = (): number => Number(readFileSync(redisPortFile(root), 'utf8'));
    const links = new Map<Role, TcpLink>();
    for (const role of ROLES) links.set(role, await TcpLink.start(redisPort));
    const observerLink = await TcpLink.start(redisPort);
    const stack = new ChaosStack(root, { links, observerLink, qdrant: store === 'qdrant' ? await MemoryQdrant.start() : undefined });
    try {
      await stack.#launch();
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  controlFile(name: string): string {
    return join(this.root, 'control', name);
  }

  /** Where supervisors keep the port of Redis. */
  redisPortFile(): string {
    return redisPortFile(this.root);
  }

  async log(): Promise<string> {
    return await readFile(this.controlFile('log'), 'utf8').catch(() => '');
  }

  /** A connection to Redis past all faults. It outlives every Redis of the stack. */
  async observer(): Promise<ObserverRedis> {
    const url = new URL(this.#redisUrl);
    url.port = String(this.#observerLink.port);
    return await connectRedis(url.href, { role: 'consumer', name: 'chaos', onFault: () => undefined });
  }

  /** Process ids of `redis`, `api`, `worker-1`, `worker-2`, those that run now. Empty while the supervisor starts. */
  async pids(): Promise<ReadonlyMap<string, number>> {
    const supervisor = this.#supervisor;
    if (supervisor?.connected !== true || this.#told === undefined) return new Map();
    const told = once(supervisor, 'message', { signal: AbortSignal.timeout(5_000) }) as Promise<[Told]>;
    supervisor.send('pids', () => undefined);
    return new Map(await told.then(([{ pids }]) => pids).catch(() => []));
  }

  get supervisorPid(): number | undefined {
    return this.#supervisor?.pid;
  }

  /** Kills the supervisor, waits until all it ran has ended, and starts another on the same state. Resolves when that one is ready. */
  async killSupervisor(): Promise<void> {
    const supervisor = this.#supervisor;
    if (supervisor === undefined || this.#told === undefined) return;
    this.#told = undefined;
    supervisor.kill('SIGKILL');
    await this.#ended;
    await this.#restarting;
  }

  /** Resolves when no restart of the supervisor is under way. */
  async settled(): Promise<void> {
    await this.#restarting;
  }

  async #launch(): Promise<void> {
    const options = {
      stateDirectory: this.stateDirectory,
      cacheDirectory: testCacheDirectory(),
      port: this.url === '' ? 0 : Number(new URL(this.url).port),
      opsPort: FIRST_OPS_PORT,
      workers: 2,
      restarts: { minDelayMs: 100, maxDelayMs: 1_000, stableMs: 2_000 },
      childOptions: `--import ${new URL('programs/preload.mjs', import.meta.url).href}`,
    };
    const ports = Object.fromEntries([...this.links].map(([role, link]) => [role, link.port]));
    const env = testEnvironment({
      LOG_LEVEL: 'info',
      RERANK_MODELS: join(this.root, 'models', 'tiny-reranker'),
      EMBEDDING_MODEL: join(this.root, 'models', 'tiny-embedder'),
      INFERENCE_THREADS: '1',
      CHAOS_FOLDER: join(this.root, 'control'),
      CHAOS_ROLES: JSON.stringify(ports),
      CHAOS_FIRST_OPS_PORT: String(FIRST_OPS_PORT),
      ...(this.qdrant === undefined ? {} : { QDRANT_URL: this.qdrant.url, QDRANT_TIMEOUT_MS: String(QDRANT_TIMEOUT_MS) }),
    });
    const child = fork(program('supervisor'), [JSON.stringify(options)], {
      env,
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#supervisor = child;
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    const exited = once(child, 'exit').then(() => {
      process.off('exit', kill);
      return undefined;
    });
    const first = once(child, 'message').then(([told]: Told[]) => told);
    const told = await Promise.race([first, exited, sleep(READY_WITHIN_MS, undefined, { ref: false })]);
    if (told === undefined) {
      child.kill('SIGKILL');
      throw new Error(`The stack did not start:\n${(await this.log()).slice(-2_000)}`);
    }
    this.#told = told;
    this.url = told.url;
    this.#redisUrl = told.redisUrl;
    this.#ended = exited.then(() => {
      if (!this.#ending) this.#restarting = this.#restart();
    });
  }

  async #restart(): Promise<void> {
    this.#told = undefined;
    // At once, as a service manager would: what the killed one ran may still be ending.
    for (let attempt = 1; !this.#ending; attempt += 1) {
      const before = await processesOf(this.root);
      try {
        await sleep(RESTART_PAUSE_MS);
        await this.#launch();
      } catch (error) {
        if (attempt === 5) throw error;
        continue;
      }
      await until('processes of the killed supervisor to end', () => !before.some(isAlive), GONE_WITHIN_MS).catch(() =>
        this.outlived.push(...before.filter(isAlive).map((pid) => `process ${pid} outlived its supervisor`)),
      );
      return;
    }
  }

  /** Ends it in order, and removes all that it kept. Resolves to the processes that were left running, which are ended then. */
  async stop(): Promise<readonly number[]> {
    this.#ending = true;
    await this.#restarting.catch(() => undefined);
    const supervisor = this.#supervisor;
    if (supervisor !== undefined && supervisor.exitCode === null && supervisor.signalCode === null) {
      const exited = once(supervisor, 'exit');
      supervisor.kill('SIGTERM');
      await Promise.race([exited, sleep(40_000, undefined, { ref: false })]);
      supervisor.kill('SIGKILL');
    }
    const running = (): Promise<number[]> => processesOf(this.root);
    await until('all processes to end', async () => (await running()).length === 0, GONE_WITHIN_MS).catch(() => undefined);
    const left = await running();
    for (const pid of left) process.kill(pid, 'SIGKILL');
    for (const link of [...this.links.values(), this.#observerLink]) await link.stop();
    await this.qdrant?.stop();
    process.off('exit', this.#removeFolder);
    await rm(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    return left;
  }
}
