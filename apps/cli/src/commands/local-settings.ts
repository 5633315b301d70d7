import type { Config } from '@rerank-fleet/core/config';
import { defaultCacheDirectory, type ModelStoreOptions } from '@rerank-fleet/core/models';

/** `…/rerank-fleet`, for models and for redis-server. */
export const cacheDirectory = (config: Config): string => defaultCacheDirectory(config.models.cacheHome);

export function modelStoreOptions(config: Config): ModelStoreOptions {
  const { directory, hubEndpoint, hubToken } = config.models;
  return { cacheDirectory: cacheDirectory(config), modelsDirectory: directory, hubEndpoint, hubToken };
}

/** What the stack's processes inherit whole, proxies and PATH with it; each parses its own configuration out of it. */
// eslint-disable-next-line no-restricted-syntax -- handed on, not read
export const processEnvironment = (): NodeJS.ProcessEnv => process.env;
