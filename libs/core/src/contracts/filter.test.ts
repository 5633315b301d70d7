import { z } from 'zod';
import { describe, expect, it } from 'vitest';
import { filterSchema } from './filter.js';

/** Pointer and message of each fault. */
function faultsOf(filter: unknown): [string, string][] {
  const parsed = filterSchema.safeParse(filter);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => [`/${path.join('/')}`, message]);
}

const must = (condition: unknown): unknown => ({ must: [condition] });

describe('a filter that is valid', () => {
  it.each([
    [{}],
    [{ must: [], should: undefined }],
    [must({ key: 'lang', match: { value: 'en' } })],
    [must({ key: 'year', match: { any: [1999, 2001] } })],
    [must({ key: 'a.b', match: { except: ['x'] } })],
    [must({ key: 'price', range: { gte: 0.5, lt: 10 } })],
    [must({ key: 'day', range: { gt: '2026-01-01', lte: '2026-02-01T10:00:00Z' } })],
    [{ must_not: [{ is_empty: { key: 'a' } }, { is_null: { key: 'b' } }], should: [{ must: [{ key: 'a', match: { value: true } }] }] }],
  ])('is taken as it is: %j', (filter) => {
    expect(filterSchema.parse(filter)).toEqual(filter);
  });

  it('has a schema that says its form', () => {
    const schema = z.toJSONSchema(z.object({ filter: filterSchema.optional() }), { io: 'input' });
    expect(JSON.stringify(schema)).toContain('must_not');
    expect(schema.required ?? []).toEqual([]);
  });
});

describe('a filter that is not', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['text', 'lang = en', '/', /an object of must/],
    ['a list', [{ key: 'a', match: { value: 1 } }], '/', /an object of must/],
    ['null', null, '/', /an object of must/],
    ['a condition by itself', { key: 'lang', match: { value: 'en' } }, '/', /put it into a list: \{"must"/],
    ['a clause of another language', { and: [] }, '/and', /use must \(all of\)/],
    ['a clause that is no list', { must: { key: 'a', match: { value: 1 } } }, '/must', /list of conditions, also/],
    ['too many conditions', { must: Array.from({ length: 65 }, () => ({ is_null: { key: 'a' } })) }, '/must', /more than 64/],
    ['a shorthand', must({ lang: 'en' }), '/must/0', /must be a condition/],
    ['text for a condition', must('lang'), '/must/0', /must be a condition/],
    ['match and range at once', must({ key: 'a', match: { value: 1 }, range: { gt: 1 } }), '/must/0/range', /stands beside match/],
    ['a bound beside the key', must({ key: 'a', gte: 5 }), '/must/0/gte', /put it into range/],
    ['a value beside the key', must({ key: 'a', value: 5 }), '/must/0/value', /operator of match/],
    ['an operator of another language', must({ key: 'a', eq: 5 }), '/must/0/eq', /use match or range/],
    ['a nested clause beside a condition', must({ key: 'a', match: { value: 1 }, must: [] }), '/must/0/must', /condition of its own/],
    ['a key alone', must({ key: 'a' }), '/must/0', /no match or range/],
    ['no key', must({ match: { value: 'x' } }), '/must/0/key', /is required/],
    ['a key of another type', must({ key: 5, match: { value: 'x' } }), '/must/0/key', /as text/],
    ['a match that is a value', must({ key: 'a', match: 'x' }), '/must/0/match', /\{"value": …\}/],
    ['a match without an operator', must({ key: 'a', match: {} }), '/must/0/match', /needs one of value, any, except/],
    ['a match with two operators', must({ key: 'a', match: { value: 1, any: [1] } }), '/must/0/match', /needs one of/],
    ['an unknown operator of match', must({ key: 'a', match: { text: 'x' } }), '/must/0/match/text', /use value, any, except/],
    ['null as a value', must({ key: 'a', match: { value: null } }), '/must/0/match/value', /is_null/],
    ['a list as a value', must({ key: 'a', match: { value: ['x'] } }), '/must/0/match/value', /use any/],
    ['a fraction as a value', must({ key: 'a', match: { value: 0.5 } }), '/must/0/match/value', /range/],
    ['an object as a value', must({ key: 'a', match: { value: {} } }), '/must/0/match/value', /text, a whole number or a boolean/],
    ['one value for any', must({ key: 'a', match: { any: 'x' } }), '/must/0/match/any', /use value for one/],
    ['an empty list', must({ key: 'a', match: { any: [] } }), '/must/0/match/any', /not be empty/],
    ['a mixed list', must({ key: 'a', match: { except: ['x', 1] } }), '/must/0/match/except', /all text or all whole/],
    ['a range that is a number', must({ key: 'a', range: 5 }), '/must/0/range', /gt, gte, lt and lte/],
    ['an empty range', must({ key: 'a', range: {} }), '/must/0/range', /at least one of/],
    ['bounds of another language', must({ key: 'a', range: { from: 5 } }), '/must/0/range/from', /use gt, gte, lt or lte/],
    ['a bound that is no date', must({ key: 'a', range: { gt: 'yesterday' } }), '/must/0/range/gt', /RFC 3339/],
    ['numbers and dates', must({ key: 'a', range: { gt: 1, lt: '2026-01-01' } }), '/must/0/range', /mixes/],
    ['is_null beside its key', must({ key: 'a', is_null: true }), '/must/0/is_null', /\{"is_null": \{"key": …\}\}/],
    ['is_empty of text', must({ is_empty: 'a' }), '/must/0/is_empty', /\{"is_empty": \{"key": …\}\}/],
    [
      'a fault deep down',
      { should: [{ must_not: [{ key: 'a', match: { valeu: 1 } }] }] },
      '/should/0/must_not/0/match/valeu',
      /value, any/,
    ],
  ])('says of %s what to do, and where', (_, filter, pointer, message) => {
    const faults = faultsOf(filter);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toEqual([pointer, expect.stringMatching(message)]);
  });

  it('tells each fault', () => {
    expect(
      faultsOf({
        must: [
          { key: 'a', match: { value: null } },
          { key: 'b', gt: 1 },
        ],
        or: [],
      }).map(([pointer]) => pointer),
    ).toEqual(['/must/0/match/value', '/must/1/gt', '/or']);
  });

  it('is nested too deep, and no deeper is looked at', () => {
    let filter: unknown = must({ key: 'a', match: { value: 1 } });
    for (let level = 0; level < 200; level += 1) filter = must(filter);
    expect(faultsOf(filter)).toEqual([[`/${'must/0/'.repeat(8)}`.slice(0, -1), expect.stringMatching(/nested too deep/)]]);
  });

  it('never repeats a value', () => {
    const faults = faultsOf(must({ key: 'a', match: { any: ['SECRET', 5] }, range: { gt: 'SECRET' } }));
    expect(JSON.stringify(faults)).not.toContain('SECRET');
  });
});
