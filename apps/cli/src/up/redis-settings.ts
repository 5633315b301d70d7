import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endLeftRedis } from './left-redis.js';
import { findFreePort, isPortFree } from './redis-probe.js';

export interface RedisSettings {
  readonly directory: string;
  readonly port: number;
  readonly password: string;
  readonly configPath: string;
}

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

const portPath = (directory: string): string => join(directory, 'port');

function keptPort(directory: string): number | undefined {
  const kept = Number(readTrimmed(portPath(directory)));
  return Number.isInteger(kept) && kept > 0 && kept < 65_536 ? kept : undefined;
}

/** A Redis that an earlier run left is ended first, also where its port is not known any more or somebody else is to have it. */
async function choosePort(directory: string, password: string, avoid: ReadonlySet<number>): Promise<number> {
  const kept = keptPort(directory);
  await endLeftRedis(directory, kept, password);
  if (kept !== undefined && !avoid.has(kept) && (await isPortFree(kept))) return kept;
  const port = await findFreePort();
  writePrivate(portPath(directory), `${port}\n`);
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
