import { execFile } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { removeFolder } from '../support/stack.js';

const run = promisify(execFile);
/** Containers get a `/dev/shm` of 64 MB by default; one of a whole machine is half its memory, which is not ours to fill. */
const MOST_SHARED_BYTES = 128 * 1024 * 1024;

export interface SmallDisk {
  /** An empty folder on it. */
  readonly directory: string;
  /** Fills it up to so many free bytes. */
  fill(bytesLeft: number): Promise<void>;
  /** Takes what `fill` wrote away. */
  clear(): Promise<void>;
  remove(): Promise<void>;
}

/** A disk that a test may fill: a tmpfs of its own where this user may mount one, else a small `/dev/shm`; undefined where neither is to be had. */
export async function makeSmallDisk(bytes: number): Promise<SmallDisk | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'rerank-disk-'));
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', directory]).then(
    () => true,
    () => false,
  );
  if (mounted) {
    return describe(directory, async () => {
      await run('umount', [directory]);
      await removeFolder(directory);
    });
  }
  await removeFolder(directory);
  const shared = await statfs('/dev/shm').catch(() => undefined);
  if (shared === undefined || shared.blocks * shared.bsize > MOST_SHARED_BYTES || shared.bavail * shared.bsize < bytes) return undefined;
  const folder = await mkdtemp('/dev/shm/rerank-disk-').catch(() => undefined);
  return folder === undefined ? undefined : describe(folder, () => removeFolder(folder));
}

function describe(directory: string, remove: () => Promise<void>): SmallDisk {
  const ballast = join(directory, 'ballast');
  return {
    directory,
    fill: async (bytesLeft) => {
      const { bavail, bsize } = await statfs(directory);
      await writeFile(ballast, Buffer.alloc(Math.max(0, bavail * bsize - bytesLeft)));
    },
    clear: () => rm(ballast, { force: true }),
    remove,
  };
}
