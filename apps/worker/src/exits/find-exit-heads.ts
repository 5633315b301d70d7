import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HEADS_VERSION, HEADS_VERSIONS } from './heads-schema.js';

/** Heads that come with the worker; the same from `src` and from `dist`. */
const SHIPPED = fileURLToPath(new URL('../../heads/', import.meta.url));

const fileName = (model: string, version: number = HEADS_VERSION): string => `${model.slice(0, 32)}-${version}.json`;

/** Where heads that were fitted on this machine are kept; `cacheDirectory` is `…/rerank-fleet`. */
export function fittedHeadsPath(model: string, cacheDirectory: string): string {
  return join(cacheDirectory, 'exits', fileName(model));
}

export const shippedHeadsPath = (model: string): string => join(SHIPPED, fileName(model));

/**
 * The file of a model's heads, by the sha256 of its own file: those that were fitted here, also by an earlier version, before those that come with the worker; undefined
 * where it has none.
 */
export function findExitHeads(model: string, cacheDirectory: string): string | undefined {
  const fitted = HEADS_VERSIONS.map((version) => join(cacheDirectory, 'exits', fileName(model, version)));
  return [...fitted, shippedHeadsPath(model)].find((path) => existsSync(path));
}
