import { describe, expect, it } from 'vitest';
import { findShapeFault, MAX_JSON_DEPTH, pointerSegment } from './json-shape.js';

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
};

describe('findShapeFault', () => {
  it('passes what any store can carry', () => {
    expect(findShapeFault({ query: 'äöü 😀', documents: ['a', { text: 'b', n: 1, none: null, yes: true }] })).toBeUndefined();
    expect(findShapeFault('text')).toBeUndefined();
    expect(findShapeFault(5)).toBeUndefined();
  });

  it.each([
    [{ query: 'a\u0000b' }, '/query'],
    [{ documents: ['fine', '\ud800'] }, '/documents/1'],
    [{ documents: [{ text: 'a', metadata: { 'x/y': ['\udfff'] } }] }, '/documents/0/metadata/x~1y/0'],
    [{ metadata: { 'a\u0000': 1 } }, '/metadata'],
    ['\u0000', ''],
  ])('names where a NUL or half a surrogate pair lies: %#', (value, pointer) => {
    expect(findShapeFault(value)?.pointer).toBe(pointer);
  });

  it('bounds the depth', () => {
    expect(findShapeFault(nested(MAX_JSON_DEPTH))).toBeUndefined();
    expect(findShapeFault(nested(MAX_JSON_DEPTH + 1))?.detail).toContain('64 levels');
    expect(findShapeFault(nested(100_000))?.detail).toContain('64 levels');
  });
});

describe('pointerSegment', () => {
  it('escapes as RFC 6901 says', () => {
    expect(pointerSegment('a~b/c')).toBe('/a~0b~1c');
  });
});
