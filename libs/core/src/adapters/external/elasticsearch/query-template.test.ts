import { describe, expect, it } from 'vitest';
import { fillTemplate, queryTemplateSchema } from './query-template.js';

const faultsOf = (template: unknown): readonly string[] =>
  queryTemplateSchema.safeParse(template).error?.issues.map(({ message }) => message) ?? [];
const leaf = (text = '{{query}}') => ({ match: { body: text } });

describe('a query template', () => {
  it('takes compounds of queries', () => {
    const template = {
      bool: {
        must: leaf(),
        should: [
          { dis_max: { queries: [leaf(), { terms: { tags: ['a', '{{query}}'], boost: 2 } }], tie_breaker: 0.1 } },
          { constant_score: { filter: { range: { year: { gte: 2020 } } } } },
          { boosting: { positive: leaf(), negative: leaf('old'), negative_boost: 0.2 } },
          { nested: { path: 'parts', query: leaf(), score_mode: 'max' } },
          {
            function_score: {
              query: leaf(),
              functions: [{ filter: leaf('new'), weight: 2 }, { field_value_factor: { field: 'votes' } }],
              boost_mode: 'sum',
            },
          },
        ],
        minimum_should_match: 1,
      },
    };
    expect(faultsOf(template)).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ['a script', { script_score: { query: leaf(), script: { source: '1' } } }, /kind "script_score"/],
    ['a script deep inside', { bool: { should: [{ dis_max: { queries: [leaf(), { script: { script: {} } }] } }] } }, /kind "script"/],
    ['a script as a function', { function_score: { query: leaf(), functions: [{ script_score: {} }] } }, /"script_score" in "functions"/],
    ['a script beside a function', { function_score: { query: leaf(), script_score: {} } }, /"script_score" in "function_score"/],
    ['a query behind a function', { function_score: { functions: [{ filter: { wrapper: { query: '{{query}}' } } }] } }, /kind "wrapper"/],
    [
      'terms of another index',
      { bool: { must: [leaf(), { terms: { user: { index: 'secrets', id: '1', path: 'x' } } }] } },
      /list of values/,
    ],
    ['another index’s shape', { geo_shape: { place: { indexed_shape: { index: 'x', id: '{{query}}' } } } }, /kind "geo_shape"/],
    ['documents alike', { more_like_this: { like: [{ _index: 'x', _id: '1' }], fields: ['{{query}}'] } }, /kind "more_like_this"/],
    ['inner hits', { nested: { path: 'p', query: leaf(), inner_hits: {} } }, /"inner_hits" in "nested"/],
    ['an operator’s language', { query_string: { query: '{{query}}' } }, /kind "query_string"/],
    ['an inherited name', JSON.parse('{"__proto__":{"query":"{{query}}"}}'), /./],
    ['two queries in one', { ...leaf(), match_all: {} }, /exactly one kind/],
    ['a whole search', { query: leaf() }, /kind "query"/],
    ['a text', { bool: { must: '{{query}}' } }, /must hold a query/],
    ['a list for a body', { bool: [leaf()] }, /must hold an object under "bool"/],
    ['no query', leaf('apple'), /must hold \{\{query\}\}/],
    ['a query in a key only', { match: { '{{query}}': 'apple' } }, /must hold \{\{query\}\}/],
    ['another placeholder', leaf('{{query}} {{tenant}}'), /no placeholder but/],
    ['more than 16,384 characters', leaf(`{{query}} ${'a'.repeat(16_384)}`), /longer than/],
  ])('does not hold %s', (_, template, fault) => {
    expect(faultsOf(template)).toContainEqual(expect.stringMatching(fault));
  });

  it('does not nest without end', () => {
    let template: object = leaf();
    for (let depth = 0; depth < 25; depth += 1) template = { constant_score: { filter: template } };
    expect(faultsOf(template)).toContainEqual(expect.stringMatching(/levels deep/));
  });

  it('has the query in strings, as it is, and nowhere else', () => {
    const query = '"}} {{query}} $& \\ $1';
    const template = { bool: { must: [{ match: { '{{query}}': { query: '{{query}}|{{query}}', boost: 2 } } }] } };
    expect(fillTemplate(template, query)).toEqual({
      bool: { must: [{ match: { '{{query}}': { query: `${query}|${query}`, boost: 2 } } }] },
    });
  });
});
