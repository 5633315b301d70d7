import { loadClientConfig } from '@rerank-fleet/core/config';
import { describe, expect, it } from 'vitest';
import { resolveConnection } from './cli-config.js';

const load = (env: NodeJS.ProcessEnv) => () => loadClientConfig(env);

describe('resolveConnection', () => {
  it('prefers flags over variables', () => {
    const env = load({ RERANK_URL: 'http://env:1', RERANK_API_KEY: 'env-key' });
    expect(resolveConnection({}, env)).toEqual({ url: 'http://env:1', apiKey: 'env-key' });
    expect(resolveConnection({ url: 'https://flag/x/', apiKey: 'flag-key' }, env)).toEqual({ url: 'https://flag/x', apiKey: 'flag-key' });
  });

  it.each(['localhost:8080', 'ftp://x', ''])('refuses the address "%s"', (url) => {
    expect(() => resolveConnection({ url }, load({}))).toThrow('--url must be an address');
  });
});
