import { z } from 'zod';
import type { Field } from './fields.js';
import { ConfigError } from './load-config.js';

/** Where a client finds the service. Read by the command line only; a server process has no use for it. */
export interface ClientConfig {
  /** Base URL of the API, without a slash at its end. */
  readonly url: string;
  readonly apiKey?: string;
}

export const DEFAULT_CLIENT_URL = 'http://127.0.0.1:8080';

export const CLIENT_FIELDS = {
  url: {
    env: 'RERANK_URL',
    description: 'Base URL of the API that the `rerank` command talks to.',
    schema: z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' }).default(DEFAULT_CLIENT_URL),
  },
  apiKey: {
    env: 'RERANK_API_KEY',
    secret: true,
    description: 'API key that the `rerank` command sends.',
    schema: z
      .string()
      .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')
      .optional(),
  },
} as const satisfies Record<string, Field>;

/**
 * Reads the settings of the command line.
 *
 * @throws ConfigError with every fault, not only the first; it names rules, never values
 */
export function loadClientConfig(env: NodeJS.ProcessEnv = process.env): ClientConfig {
  const read = <Schema extends z.ZodType>({ env: variable, schema }: Field<Schema>) =>
    schema.safeParse(env[variable] === '' ? undefined : env[variable]);
  const url = read(CLIENT_FIELDS.url);
  const apiKey = read(CLIENT_FIELDS.apiKey);
  if (!url.success || !apiKey.success) {
    throw new ConfigError([
      ...(url.error?.issues ?? []).map((issue) => `${CLIENT_FIELDS.url.env}: ${issue.message}`),
      ...(apiKey.error?.issues ?? []).map((issue) => `${CLIENT_FIELDS.apiKey.env}: ${issue.message}`),
    ]);
  }
  return Object.freeze({ url: url.data.replace(/\/+$/, ''), ...(apiKey.data === undefined ? {} : { apiKey: apiKey.data }) });
}

/** A secret that the command line was told the variable of, so that it is on no command line itself; undefined where there is none. */
export function loadSecret(variable: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env[variable] === '' ? undefined : env[variable];
}
