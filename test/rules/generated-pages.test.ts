import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CLIENT_FIELDS, FIELDS, renderConfigurationPage, renderEnvExample } from '@rerank-fleet/core/config';
import { API_METRICS, renderObservabilityPage, WORKER_METRICS, type MetricDefinition } from '@rerank-fleet/core/observability';
import { format, resolveConfig } from 'prettier';
import { describe, expect, it } from 'vitest';
import { REPOSITORY_ROOT } from './repository-root.ts';

const read = (file: string): string => readFileSync(path.join(REPOSITORY_ROOT, file), 'utf8');
const fields = [...Object.values(FIELDS), CLIENT_FIELDS].flatMap((section) => Object.values<{ readonly env: string }>(section));

// A difference means: run `npm run docs`.
describe.each([
  { file: '.env.example', render: renderEnvExample, line: (env: string) => `\n#${env}=` },
  { file: 'docs/configuration.md', render: renderConfigurationPage, line: (env: string) => `\n| \`${env}\` |` },
])('$file', ({ file, render, line }) => {
  it('is what the configuration says of itself', () => {
    expect(read(file)).toBe(render());
  });

  it('has every variable once', () => {
    const text = read(file);
    const times = fields.map(({ env }) => [env, text.split(line(env)).length - 1]);
    expect(times).toEqual(fields.map(({ env }) => [env, 1]));
  });
});

describe('docs/observability.md', () => {
  const page = 'docs/observability.md';

  it('is what the metrics say of themselves', async () => {
    const style = (await resolveConfig(path.join(REPOSITORY_ROOT, page))) ?? {};
    expect(read(page)).toBe(await format(renderObservabilityPage(), { ...style, parser: 'markdown' }));
  });

  it('has every metric in the table of each process that exports it', () => {
    const text = read(page);
    const names = [WORKER_METRICS, API_METRICS].flatMap((definitions) =>
      Object.values<MetricDefinition>(definitions).map(({ name }) => name),
    );
    const counts = (count: (name: string) => number) => [...new Set(names)].map((name) => [name, count(name)]);
    expect(counts((name) => text.split(`\n| \`${name}\``).length - 1)).toEqual(
      counts((name) => names.filter((other) => other === name).length),
    );
  });
});
