import { loadClientConfig, type ClientConfig } from '@rerank-fleet/core/config';
import { usageError } from './exit-code.js';

export interface ConnectionFlags {
  readonly url?: string | undefined;
  readonly apiKey?: string | undefined;
}

/**
 * Where the service is: `--url` and `--api-key`, else RERANK_URL and RERANK_API_KEY, else the default address without a key.
 *
 * @throws ConfigError or CliError
 */
export function resolveConnection(flags: ConnectionFlags, load: () => ClientConfig = loadClientConfig): ClientConfig {
  if (flags.url !== undefined && !isHttpUrl(flags.url)) throw usageError('--url must be an address such as http://127.0.0.1:8080.');
  const { url, apiKey } = load();
  const key = flags.apiKey ?? apiKey;
  return { url: flags.url?.replace(/\/+$/, '') ?? url, ...(key === undefined ? {} : { apiKey: key }) };
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
