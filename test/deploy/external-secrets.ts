import { readFileSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';

/** Secrets that k8s/README.md says must be there, as `name/key`, with whether they may be missing. */
export function externalSecrets(): ReadonlyMap<string, { readonly optional: boolean }> {
  const text = readFileSync(path.join(REPOSITORY_ROOT, 'k8s/README.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([a-z-]+)`\s*\| `([a-z.-]+)`\s*\| (\S+)/gm)];
  return new Map(rows.map(([, name = '', key = '', by = '']) => [`${name}/${key}`, { optional: by === 'optional' }]));
}
