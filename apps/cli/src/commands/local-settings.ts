import type { Config } from '@rerank-fleet/core/config';
import { defaultCacheDirectory, type ModelStoreOptions } from '@rerank-fleet/core/models';

/**
 * The two settings that the configuration does not carry yet, read here and nowhere else.
 * They belong to libs/core/src/config as `models.cacheDirectory` and as a `redis.url` that is absent when unset.
 */
/* eslint-disable no-restricted-syntax */
const ENVIRONMENT = { xdgCacheHome: process.env.XDG_CACHE_HOME, redisUrl: process.env.REDIS_URL };
/** What child processes inherit; they parse it themselves. */
export const processEnvironment = (): NodeJS.ProcessEnv => process.env;
/* eslint-enable no-restricted-syntax */

/** `…/rerank-fleet`, for models and for redis-server. */
export const cacheDirectory = (): string => defaultCacheDirectory(ENVIRONMENT.xdgCacheHome);

/** Undefined where the stack runs a Redis of its own. */
export const configuredRedisUrl = (config: Config): string | undefined =>
  ENVIRONMENT.redisUrl === undefined || ENVIRONMENT.redisUrl === '' ? undefined : config.redis.url;

export function modelStoreOptions(config: Config): ModelStoreOptions {
  const { directory, hubEndpoint, hubToken } = config.models;
  return { cacheDirectory: cacheDirectory(), modelsDirectory: directory, hubEndpoint, hubToken };
}
