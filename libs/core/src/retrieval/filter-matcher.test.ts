import { describe, expect, test } from 'vitest';
import type { Condition, Filter, JsonValue, Metadata } from '../domain/index.js';
import { compileFilter } from './filter-matcher.js';
import { parseDateMicros } from './rfc3339.js';

const passes = (condition: Condition, value: JsonValue): boolean => compileFilter({ must: [condition] })({ key: value });

describe(compileFilter.name, () => {
  test('match compares types, and looks into a list', () => {
    const one: Condition = { key: 'key', match: { value: 1 } };
    expect([1, '1', true, [2, 1], [[1]], null, 1.5].map((value) => passes(one, value))).toEqual([
      true,
      false,
      false,
      true,
      false,
      false,
      false,
    ]);
    expect(passes({ key: 'key', match: { value: true } }, 'true')).toBe(false);
  });

  test('except passes any other value but null, also of another type', () => {
    const except: Condition = { key: 'key', match: { except: ['a'] } };
    expect(['a', 'b', 3, true, null, [], ['a'], ['a', 'b'], { x: 1 }].map((value) => passes(except, value))).toEqual([
      false,
      true,
      true,
      true,
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  test('a range without bounds takes any number', () => {
    expect([1, -1.5, '1', null].map((value) => passes({ key: 'key', range: {} }, value))).toEqual([true, true, false, false]);
  });

  test('keys may be quoted, indexed and starred', () => {
    const metadata: Metadata = { 'a.b': { list: [{ x: 1 }, { x: 2 }] } };
    const holds = (key: string, value: number): boolean => compileFilter({ must: [{ key, match: { value } }] })(metadata);
    expect(holds('"a.b".list[].x', 2)).toBe(true);
    expect(holds('"a.b".list[1].x', 2)).toBe(true);
    expect(holds('"a.b".list[0].x', 2)).toBe(false);
    expect(holds('a.b.list[].x', 2)).toBe(false);
  });

  test('keys of the prototype are not there', () => {
    expect(compileFilter({ must: [{ is_empty: { key: 'constructor' } }] })({})).toBe(true);
    expect(compileFilter({ must_not: [{ is_empty: { key: '__proto__' } }] })({})).toBe(false);
  });

  test('missing metadata is an empty object', () => {
    expect(compileFilter({ must: [{ is_empty: { key: 'a' } }] })(undefined)).toBe(true);
    expect(compileFilter({ must: [{ key: 'a', match: { value: 'x' } }] })(undefined)).toBe(false);
  });

  test.each<[string, Filter]>([
    ['a fraction to match', { must: [{ key: 'a', match: { value: 1.5 } }] }],
    ['a mixed list', { must: [{ key: 'a', match: { any: ['x', 1] } }] }],
    ['mixed bounds', { must: [{ key: 'a', range: { gt: 1, lt: '2020-01-01' } }] }],
    ['a bound that is no date', { must: [{ key: 'a', range: { gt: 'soon' } }] }],
    ['an empty key', { must: [{ key: '', match: { value: 'x' } }] }],
    ['a key that ends in a dot', { must: [{ key: 'a.', match: { value: 'x' } }] }],
    ['a key with a space', { must_not: [{ should: [{ is_empty: { key: 'a b' } }] }] }],
  ])('%s is refused', (_, filter) => {
    expect(() => compileFilter(filter)).toThrow(/invalid_request/);
  });
});

describe(parseDateMicros.name, () => {
  test('reads zones, short forms and microseconds', () => {
    const noon = Date.UTC(2024, 1, 29, 12) * 1000;
    for (const text of ['2024-02-29T12:00:00Z', '2024-02-29T14:00:00+02:00', '2024-02-29 12:00', '2024-02-29T12:00:00.000']) {
      expect(parseDateMicros(text)).toBe(noon);
    }
    expect(parseDateMicros('2024-02-29T12:00:00.1234567Z')).toBe(noon + 123_456);
    expect(parseDateMicros('2024-02-29')).toBe(Date.UTC(2024, 1, 29) * 1000);
  });

  test.each(['2023-02-29', '2024-13-01', '2024-01-01T25:00:00Z', '1', 'yesterday', '2024-01-01T00:00:00Zjunk'])('%s is no date', (text) => {
    expect(parseDateMicros(text)).toBeUndefined();
  });
});
