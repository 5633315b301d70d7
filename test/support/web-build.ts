import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const BUILD = fileURLToPath(new URL('../../apps/web/build.mjs', import.meta.url));

/** Makes sure that the pages are built from the sources as they are. Instant when they are. */
export async function build(): Promise<void> {
  await promisify(execFile)(process.execPath, [BUILD]);
}
