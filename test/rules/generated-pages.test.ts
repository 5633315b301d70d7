import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CLIENT_FIELDS, FIELDS, renderConfigurationPage, renderEnvExample } from '@rerank-fleet/core/config';
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
