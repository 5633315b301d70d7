import { describe, expect, it } from 'vitest';
import { loadClientConfig } from './client-config.js';
import { ConfigError } from './load-config.js';

describe('loadClientConfig', () => {
  it('talks to the default address without a key when nothing is set', () => {
    expect(loadClientConfig({})).toEqual({ url: 'http://127.0.0.1:8080' });
  });

  it('takes an empty variable for one that is not set', () => {
    expect(loadClientConfig({ RERANK_URL: '', RERANK_API_KEY: '' })).toEqual({ url: 'http://127.0.0.1:8080' });
  });

  it('drops slashes at the end of the address and keeps its path', () => {
    expect(loadClientConfig({ RERANK_URL: 'https://example.test/rank//', RERANK_API_KEY: 'a-long-enough-key' })).toEqual({
      url: 'https://example.test/rank',
      apiKey: 'a-long-enough-key',
    });
  });

  it('names every faulty variable and its rule, and no value', () => {
    const load = () => loadClientConfig({ RERANK_URL: 'ftp://nowhere', RERANK_API_KEY: 'secret with spaces' });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(/RERANK_URL: must be an http[\s\S]*RERANK_API_KEY: must be printable/);
    expect(load).not.toThrow(/secret with spaces|ftp:/);
  });
});
