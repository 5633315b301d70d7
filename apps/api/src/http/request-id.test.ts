import { describe, expect, it } from 'vitest';
import { requestIdOf } from './request-id.js';

const idFor = (sent: string | string[]): string => requestIdOf({ headers: { 'x-request-id': sent } });

describe('requestIdOf', () => {
  it.each(['abc', '7c1c8f0e-7f0c-4c58', 'a.b_c~d+e/f='])('takes %s', (id) => {
    expect(idFor(id)).toBe(id);
  });

  it.each(['', ' a', 'a b', 'a\nb', '{"a":1}', 'é', 'a'.repeat(129), ['a', 'b']])('makes its own instead of %j', (sent) => {
    expect(idFor(sent)).toMatch(/^[0-9a-f-]{36}$/);
  });
});
