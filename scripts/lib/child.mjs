import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The exit status that a shell gives for a death by signal. */
export const signalStatus = (signal) => 128 + (constants.signals[signal] ?? 0);

/**
 * Runs a command and hands on the signals that this process gets, so that whoever waits for us waits for it. Rejects only if it cannot start.
 * With `capture`, its output is collected instead of shown. `received` is the last signal that was handed on.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, capture?: boolean, onSpawn?: (pid: number) => void }} [options]
 */
export function runChild(command, args, { env, cwd, capture = false, onSpawn } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, cwd, stdio: capture ? ['ignore', 'pipe', 'pipe'] : 'inherit' });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk) => (output += chunk));
    let received;
    const forward = (signal) => {
      received = signal;
      child.kill(signal);
    };
    if (child.pid !== undefined) onSpawn?.(child.pid);
    for (const signal of FORWARDED) process.on(signal, forward);
    const done = (settle) => (value, signal) => {
      for (const name of FORWARDED) process.removeListener(name, forward);
      settle(value, signal);
    };
    child.once('error', done(reject));
    child.once(
      'close',
      done((code, signal) => resolve({ code, signal, received, output })),
    );
  });
}
