import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { resolveRedisBinary } from '@rerank-fleet/cli/up/redis-binary';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import { chosen } from './environment.js';

export interface RedisServerOptions {
  /** More arguments of redis-server; a later one wins over ours. */
  readonly settings?: readonly string[];
}

/** A real redis-server of the test's own: a free loopback port, append-only in a temporary folder. */
export class RedisServer {
  readonly url: string;
  readonly #command: string;
  readonly #arguments: readonly string[];
  readonly #directory: string;
  #process: ChildProcess | undefined;

  private constructor(command: string, port: number, directory: string, more: readonly string[]) {
    this.url = `redis://127.0.0.1:${port}`;
    this.#command = command;
    this.#directory = directory;
    this.#arguments = more;
  }

  /** @throws StackError if there is no redis-server and none can be fetched */
  static async start({ settings = [] }: RedisServerOptions = {}): Promise<RedisServer> {
    return await RedisServer.#start((port, directory) => [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--appendonly', 'yes'],
      ...(settings.includes('--save') ? [] : ['--save', '']),
      ...settings,
    ]);
  }

  /** A sentinel; it writes what it learns into its file of settings. */
  static async startSentinel(configPath: string): Promise<RedisServer> {
    return await RedisServer.#start((port, directory) => [
      configPath,
      ...['--sentinel', '--port', String(port), '--bind', '127.0.0.1', '--dir', directory],
    ]);
  }

  static async #start(settingsOf: (port: number, directory: string) => readonly string[]): Promise<RedisServer> {
    const { command } = await resolveRedisBinary({ cacheDirectory: defaultCacheDirectory(chosen('XDG_CACHE_HOME')) });
    const [port, directory] = [await freePort(), await mkdtemp(join(tmpdir(), 'rerank-redis-'))];
    const server = new RedisServer(command, port, directory, settingsOf(port, directory));
    await server.resume();
    return server;
  }

  /** Starts it again on the same port and data. */
  async resume(): Promise<void> {
    const child = spawn(this.#command, this.#arguments, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#process = child;
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines.push(line);
        if (/ready to accept connections|Sentinel ID is/i.test(line)) resolve();
      });
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${String(code)}:\n${lines.join('\n')}`)));
    });
  }

  /** As a power cut would; what was not yet synced is lost. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /** It takes connections and what is sent, and answers nothing until it is thawed. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
