import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './load-config.js';

const tracing = (env: Readonly<Record<string, string>> = {}) => loadConfig(env).tracing;

describe('the settings of traces', () => {
  it('name no receiver by default', () => {
    expect(tracing()).toEqual({
      endpoint: undefined,
      tracesEndpoint: undefined,
      headers: {},
      serviceName: undefined,
      sampler: 'parentbased_always_on',
      samplerRatio: 1,
      disabled: false,
    });
  });

  it('take headers with percent-encoded values, which nothing shows', () => {
    const { headers } = tracing({ OTEL_EXPORTER_OTLP_HEADERS: ' Authorization = Bearer%20a%3Db , x-scope=1' });
    expect(Object.entries(headers).map(([name, value]) => [name, value.reveal()])).toEqual([
      ['authorization', 'Bearer a=b'],
      ['x-scope', '1'],
    ]);
    expect(inspect(headers) + JSON.stringify(headers)).not.toContain('Bearer');
  });

  it.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4317'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'no pair'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=%zz'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=b%0d%0ac'],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
    ['OTEL_TRACES_SAMPLER_ARG', '10%'],
  ])('refuse %s=%s', (name, value) => {
    const refused = (): unknown => tracing({ [name]: value });
    expect(refused).toThrow(ConfigError);
    expect(refused).toThrow(name);
    expect(refused).not.toThrow(value);
  });
});
