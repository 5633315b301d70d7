import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs buildah and gives what it prints, without the last line's end. Its storage is the system's, or what its own variables name (STORAGE_DRIVER, CONTAINERS_STORAGE_CONF). */
export async function buildah(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('buildah', args, { maxBuffer: 64 * 2 ** 20 });
  return stdout.trim();
}
