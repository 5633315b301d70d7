import { type ChildProcess, fork } from 'node:child_process';
import type { PrefixedLog } from './prefixed-output.js';
import { FailedStartError, type StartedProcess, untilEnded } from './supervised-process.js';

export interface NodeProgram {
  readonly entry: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: PrefixedLog;
  /** A process that is not ready by then is killed and counts as failed. */
  readonly readyTimeoutMs: number;
}

interface ReadyMessage {
  readonly type: 'ready';
  readonly url?: string;
}

function isReady(message: unknown): message is ReadyMessage {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready';
}

/**
 * Forks a Node program and waits until it says `{type: 'ready'}` over its channel. It ends by itself when the channel closes. It is in a
 * process group of its own: Ctrl-C must reach the supervisor only, which then ends things in order.
 */
export function forkNode(program: NodeProgram, onSpawn: (child: ChildProcess) => void): Promise<StartedProcess> {
  const { entry, environment, log, readyTimeoutMs } = program;
  const child = fork(entry, [], { env: environment, execArgv: [], detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  onSpawn(child);
  if (child.stdout !== null) log.follow(child.stdout);
  if (child.stderr !== null) log.follow(child.stderr);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      log.line(`not ready after ${Math.round(readyTimeoutMs / 1_000)} s; killing it`);
      child.kill('SIGKILL');
    }, readyTimeoutMs);
    child.on('message', (message) => {
      if (!isReady(message)) return;
      clearTimeout(timer);
      resolve({ child, url: message.url });
    });
    const failed = (status: string): void => {
      clearTimeout(timer);
      reject(new FailedStartError(status));
    };
    void untilEnded(child).then(() => {
      failed(child.signalCode ?? `exit ${child.exitCode ?? '?'}`);
    });
    // Also a send to a child that has just died, whose exit tells more.
    child.on('error', (error) => {
      if (child.pid === undefined) failed(error.message);
    });
  });
}
