import type { CrossEncoder } from '@rerank-fleet/core/ports';
import { describe, expect, it } from 'vitest';
import { CrossEncoders } from './cross-encoders.js';

const encoder = (name: string, sha256: string): CrossEncoder => ({ name, sha256, score: () => Promise.reject(new Error('unused')) });
const encoders = new CrossEncoders([encoder('light', 'l'), encoder('heavy', 'h'), encoder('heavy@int8', 'h')]);

describe(CrossEncoders, () => {
  it.each([
    ['heavy', 'heavy'],
    ['heavy@int8', 'heavy@int8'],
    ['another name', 'heavy'],
  ])('finds a file by %s as %s', (name, found) => {
    expect(encoders.get({ name, sha256: 'h' }).name).toBe(found);
  });

  it('takes no other file for one of the name', () => {
    expect(() => encoders.get({ name: 'light', sha256: 'h2' })).toThrow(expect.objectContaining({ code: 'model_unavailable' }));
  });
});
