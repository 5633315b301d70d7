import { readFileSync } from 'node:fs';
import { ERROR_CATALOGUE } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';

const PAGE = readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8');
const ROW = /^\| `([a-z_]+)` *\| (\d{3}) *\| [^|]{10,} \| [^|]{10,} \|$/gm;

describe('docs/errors.md', () => {
  it('lists every code of the catalogue with its status, and no other, in its order', () => {
    const rows = [...PAGE.matchAll(ROW)].map(([, code, status]) => [code, Number(status)]);
    expect(rows).toEqual(Object.entries(ERROR_CATALOGUE).map(([code, { status }]) => [code, status]));
  });
});
