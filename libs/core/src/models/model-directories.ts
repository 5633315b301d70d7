import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Precision } from '../domain/index.js';
import type { ModelStoreOptions } from './model-options.js';

/** `${XDG_CACHE_HOME:-~/.cache}/rerank-fleet`. A relative XDG_CACHE_HOME counts as unset, as its specification says. */
export function defaultCacheDirectory(xdgCacheHome: string | undefined): string {
  const base = xdgCacheHome?.startsWith('/') === true ? xdgCacheHome : join(homedir(), '.cache');
  return join(base, 'rerank-fleet');
}

export const modelsRoot = (options: ModelStoreOptions): string => join(options.cacheDirectory, 'models');

/** Where a pulled model lies. The folder appears whole, by one rename, or not at all. */
export const pulledFolder = (options: ModelStoreOptions, name: string, precision: Precision): string =>
  join(modelsRoot(options), `${name}@${precision}`);

/** Where a download grows. On the same disk as the result, and looked at by nobody but the holder of its lock. */
export const stagingFolder = (options: ModelStoreOptions, key: string): string => join(modelsRoot(options), '.staging', key);

export const pullLockPath = (options: ModelStoreOptions, key: string): string => join(modelsRoot(options), '.locks', key);
