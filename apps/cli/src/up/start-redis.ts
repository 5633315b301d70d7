import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { noteRedisPid } from './left-redis.js';
import type { PrefixedLog } from './prefixed-output.js';
import { probeRedis } from './redis-probe.js';
import type { RedisSettings } from './redis-settings.js';
import { StackError } from './stack-error.js';
import { untilEnded } from './supervised-process.js';

const run = promisify(execFile);
const LOADING_TIMEOUT_MS = 600_000;
const EARLY_END_MS = 5_000;
/** Without its built file (under the test runner) the guardian runs from source, as Node strips types. */
const GUARDIAN = fileURLToPath(new URL(`./redis-guardian.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url));

/** Redis found its port taken: choose another and try again. */
export class PortTakenError extends Error {}

let parentDeathSignal: Promise<boolean> | undefined;

/** Whether `setpriv --pdeathsig` is there (util-linux). */
function hasParentDeathSignal(): Promise<boolean> {
  parentDeathSignal ??= run('setpriv', ['--pdeathsig', 'TERM', 'true']).then(
    () => true,
    () => false,
  );
  return parentDeathSignal;
}

export interface RedisStart {
  readonly command: string;
  readonly settings: RedisSettings;
  readonly log: PrefixedLog;
  readonly signal: AbortSignal;
  /** Tie it to this process by a guardian even where the system has a parent-death signal. */
  readonly forceGuardian?: boolean;
}

/** Its own process group: Ctrl-C must reach the supervisor only, which then ends things in order. */
async function spawnRedis({ command, settings, forceGuardian }: RedisStart): Promise<ChildProcess> {
  const tied = forceGuardian !== true && (await hasParentDeathSignal());
  const [program, args] = tied ? ['setpriv', ['--pdeathsig', 'TERM', command, settings.configPath]] : [command, [settings.configPath]];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, cwd: settings.directory });
  await once(child, 'spawn');
  if (child.pid !== undefined) noteRedisPid(settings.directory, child.pid);
  if (!tied && child.pid !== undefined) {
    const guardian = fork(GUARDIAN, [String(child.pid)], { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'], execArgv: [] });
    guardian.unref();
    guardian.channel?.unref();
    child.once('exit', () => guardian.kill('SIGKILL'));
  }
  return child;
}

const ADVICE: readonly (readonly [pattern: RegExp, advice: (settings: RedisSettings) => string])[] = [
  [/No space left on device/i, ({ directory }) => `The disk of ${directory} is full: make room, then start again.`],
  [
    /Permission denied|Operation not permitted/i,
    ({ directory }) => `This user may not write ${directory}: give the folder back to it (chown), or choose another with RERANK_STATE_DIR.`,
  ],
  [
    /Bad file format reading the append only file|Unexpected end of file|Unrecoverable error reading the append only file/i,
    ({ directory }) =>
      `Its append-only file in ${directory} is damaged. Keep a copy, then repair it with redis-check-aof --fix, or move it away: documents are not in it, waiting jobs are.`,
  ],
  [
    /Can't handle RDB format version|unsupported|Unknown RDB/i,
    ({ directory }) => `The data in ${directory} are of a newer Redis: use that one, or move the folder away.`,
  ],
];

function explainExit(settings: RedisSettings, tail: readonly string[], status: string): StackError {
  const text = tail.join('\n');
  const advice =
    ADVICE.find(([pattern]) => pattern.test(text))?.[1](settings) ?? `See its lines above; its folder is ${settings.directory}.`;
  const lines = tail.slice(-8).map((line) => `  ${line}`);
  return new StackError(`Redis did not start (${status}). Its last lines:\n${lines.join('\n')}\n${advice}`);
}

/** It may be loading, when it does not look at signals. */
async function endEarly(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), EARLY_END_MS);
  await untilEnded(child);
  clearTimeout(timer);
}

/**
 * Starts redis-server and waits until it serves, which takes as long as its data take to load.
 *
 * @throws PortTakenError; StackError with its last lines and what to do; the signal's reason
 */
export async function startRedis(start: RedisStart): Promise<ChildProcess> {
  const { settings, log, signal } = start;
  const child = await spawnRedis(start).catch((error: unknown) => {
    throw new StackError(`redis-server cannot be run (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`, { cause: error });
  });
  const said: string[] = [];
  const tap = (text: string): void => {
    said.push(text);
    if (said.length > 20) said.shift();
    log.line(text);
  };
  if (child.stdout !== null) log.follow(child.stdout, tap);
  if (child.stderr !== null) log.follow(child.stderr, tap);
  let status: string | undefined;
  child.once('close', (code, killedBy) => {
    status = killedBy ?? `exit ${code ?? '?'}`;
  });
  const deadline = Date.now() + LOADING_TIMEOUT_MS;
  while (status === undefined) {
    if (signal.aborted || Date.now() > deadline) {
      await endEarly(child);
      signal.throwIfAborted();
      throw new StackError('Redis did not load its data in ten minutes.');
    }
    if ((await probeRedis(settings.port, settings.password)) === 'ready' && child.exitCode === null) return child;
    await sleep(30);
  }
  if (/Address already in use/i.test(said.join('\n'))) throw new PortTakenError();
  throw explainExit(settings, said, status);
}
