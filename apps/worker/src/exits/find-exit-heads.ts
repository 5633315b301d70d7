import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readHeadsFile, type ReadHeads } from './exit-heads-file.js';
import { HEADS_VERSION, HEADS_VERSIONS } from './heads-schema.js';

/** Heads that come with the worker; the same from `src` and from `dist`. */
const SHIPPED = fileURLToPath(new URL('../../heads/', import.meta.url));

const fileName = (model: string, version: number = HEADS_VERSION): string => `${model.slice(0, 32)}-${version}.json`;

/** Where heads that were fitted on this machine are kept; `cacheDirectory` is `…/rerank-fleet`. */
export function fittedHeadsPath(model: string, cacheDirectory: string): string {
  return join(cacheDirectory, 'exits', fileName(model));
}

export const shippedHeadsPath = (model: string): string => join(SHIPPED, fileName(model));

/** A file of heads that can be used. */
export interface FoundHeads extends ReadHeads {
  readonly path: string;
}

/**
 * The files of a model's heads, by the sha256 of its own file: those that were fitted here, also by an earlier version, before those that come with the worker. Heads are
 * optional, so a file that cannot be read, or is of another model, is passed over.
 */
export async function* findExitHeads(
  model: string,
  cacheDirectory: string,
  onUnusable: (path: string, error: unknown) => void,
): AsyncGenerator<FoundHeads> {
  const fitted = HEADS_VERSIONS.map((version) => join(cacheDirectory, 'exits', fileName(model, version)));
  for (const path of [...fitted, shippedHeadsPath(model)].filter((each) => existsSync(each))) {
    try {
      const found = await readHeadsFile(path);
      if (found.file.model !== model) throw new Error('They are heads of another model.');
      yield { path, ...found };
    } catch (error) {
      onUnusable(path, error);
    }
  }
}
