import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort, isPortFree, probeRedis, shutDownRedis } from './redis-probe.js';
import { StackError } from './stack-error.js';

export interface RedisSettings {
  readonly directory: string;
  readonly port: number;
  readonly password: string;
  readonly configPath: string;
}

const ORPHAN_TIMEOUT_MS = 15_000;

function readTrimmed(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function writePrivate(path: string, content: string): void {
  writeFileSync(`${path}.tmp`, content, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

function keptPassword(directory: string): string {
  const path = join(directory, 'password');
  const kept = readTrimmed(path);
  if (kept !== undefined && /^[0-9a-f]{64}$/.test(kept)) return kept;
  const password = randomBytes(32).toString('hex');
  writePrivate(path, `${password}\n`);
  return password;
}

/**
 * A Redis that knows our password is one that an earlier supervisor left while it was saving. Two on one folder would ruin the data, so it
 * must be gone before another starts.
 */
async function endOrphan(port: number, password: string): Promise<void> {
  const deadline = Date.now() + ORPHAN_TIMEOUT_MS;
  for (
    let answer = await probeRedis(port, password);
    answer === 'ready' || answer === 'loading';
    answer = await probeRedis(port, password)
  ) {
    if (Date.now() > deadline)
      throw new StackError(`The Redis of an earlier run still has port ${port} and does not end. Stop it, then try again.`);
    await shutDownRedis(port, password);
    await sleep(100);
  }
}

async function choosePort(directory: string, password: string, avoid: ReadonlySet<number>): Promise<number> {
  const path = join(directory, 'port');
  const kept = Number(readTrimmed(path));
  if (Number.isInteger(kept) && kept > 0 && kept < 65_536 && !avoid.has(kept)) {
    await endOrphan(kept, password);
    if (await isPortFree(kept)) return kept;
  }
  const port = await findFreePort();
  writePrivate(path, `${port}\n`);
  return port;
}

/** Quoted as redis.conf quotes. */
const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;

function configText({ directory, port, password }: Omit<RedisSettings, 'configPath'>): string {
  return [
    'bind 127.0.0.1',
    'protected-mode yes',
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${quote(directory)}`,
    'daemonize no',
    'logfile ""',
    // The queue must never lose a key to make room, and must survive a restart.
    'maxmemory-policy noeviction',
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    '',
  ].join('\n');
}

/**
 * Settles port and password, which stay the same from run to run (the port, while nobody else has it), and writes redis.conf. The password
 * keeps other users of the machine out; it is in files of mode 0600, never on a command line.
 */
export async function prepareRedis(directory: string, avoidPorts: ReadonlySet<number>): Promise<RedisSettings> {
  const password = keptPassword(directory);
  const port = await choosePort(directory, password, avoidPorts);
  const configPath = join(directory, 'redis.conf');
  writePrivate(configPath, configText({ directory, port, password }));
  return { directory, port, password, configPath };
}
