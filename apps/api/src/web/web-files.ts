import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where `apps/web` builds the pages to, seen from the built API; the same in a checkout and in the image. */
export const WEB_FOLDER = fileURLToPath(new URL('../../../web/dist', import.meta.url));

/** Looked for at each request: the pages may be built while the API runs. */
export const isWebBuilt = (folder: string): boolean => existsSync(join(folder, 'index.html'));
