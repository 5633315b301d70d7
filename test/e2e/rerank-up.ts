import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testEnvironment, until } from '../support/stack.js';

const RERANK = fileURLToPath(new URL('../../apps/cli/dist/main.js', import.meta.url));
const READY_WITHIN_MS = 60_000;

export interface UpOptions {
  readonly stateDirectory: string;
  /** @defaultValue 0, a free one */
  readonly port?: number;
  readonly environment?: NodeJS.ProcessEnv;
}

export interface UpProcess {
  readonly pid: number;
  /** Everything it wrote. */
  said(): string;
  /** Resolves to the base URL when it says that it is ready; rejects, with what it said, if it ends before. */
  untilReady(): Promise<string>;
  /** Exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

/** `rerank up` as a process of its own, as a user starts it. */
export function rerankUp({ stateDirectory, port = 0, environment }: UpOptions): UpProcess {
  const child = spawn(process.execPath, [RERANK, 'up', '--port', String(port)], {
    env: testEnvironment({ RERANK_STATE_DIR: stateDirectory, ...environment }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  let status: number | NodeJS.Signals | undefined;
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (written += text));
  const ended = once(child, 'close').then(([code, signal]: (number | NodeJS.Signals | null)[]) => (status = code ?? signal ?? 0));
  const url = (): string | undefined => /^ready: (http:\S+)/m.exec(written)?.[1];
  return {
    pid: child.pid!,
    said: () => written,
    untilReady: async () => {
      await until('rerank up to be ready', () => url() !== undefined || status !== undefined, READY_WITHIN_MS);
      const found = url();
      if (found === undefined || status !== undefined) throw new Error(`rerank up ended (${String(status)}):\n${written}`);
      return found;
    },
    ended,
    kill: (signal) => child.kill(signal),
  };
}

/** URL of the private Redis of a state directory. */
export async function redisUrlOf(stateDirectory: string): Promise<string> {
  const read = async (name: string): Promise<string> => (await readFile(join(stateDirectory, 'redis', name), 'utf8')).trim();
  return `redis://:${await read('password')}@127.0.0.1:${await read('port')}`;
}
