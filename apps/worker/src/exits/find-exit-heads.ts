import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Heads that come with this release, by the model's sha256. */
const SHIPPED = fileURLToPath(new URL('../../heads', import.meta.url));

/** Where heads that were fitted here lie. */
export const fittedHeadsPath = (sha256: string, cacheDirectory: string): string => join(cacheDirectory, 'exits', `${sha256}.json`);

/** Those that were fitted on this machine, else those that came with the release; undefined where the model has none. */
export async function findExitHeads(sha256: string, cacheDirectory: string): Promise<string | undefined> {
  for (const path of [fittedHeadsPath(sha256, cacheDirectory), join(SHIPPED, `${sha256}.json`)]) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}
