import { z } from 'zod';
import type { JsonValue } from '../../../domain/index.js';

type JsonObject = Readonly<Record<string, JsonValue>>;

const PLACEHOLDER = '{{query}}';
const MAX_CHARACTERS = 16_384;
const MAX_DEPTH = 20;

/** Queries without queries in them. None runs scripts or reads another index, as the connection may see more than the corpus' owner. */
const LEAVES = new Set([
  'combined_fields',
  'distance_feature',
  'exists',
  'fuzzy',
  'match',
  'match_all',
  'match_bool_prefix',
  'match_phrase',
  'match_phrase_prefix',
  'multi_match',
  'neural_sparse',
  'prefix',
  'range',
  'rank_feature',
  'semantic',
  'simple_query_string',
  'sparse_vector',
  'term',
  'terms',
  'text_expansion',
]);

interface Shape {
  /** Keys that hold a query or a list of them. */
  readonly queries: readonly string[];
  readonly plain: readonly string[];
}

const FUNCTION: Shape = { queries: ['filter'], plain: ['weight', 'field_value_factor', 'gauss', 'linear', 'exp', 'random_score'] };

const COMPOUNDS: Readonly<Record<string, Shape>> = {
  bool: { queries: ['must', 'should', 'filter', 'must_not'], plain: ['minimum_should_match', 'boost'] },
  boosting: { queries: ['positive', 'negative'], plain: ['negative_boost', 'boost'] },
  constant_score: { queries: ['filter'], plain: ['boost'] },
  dis_max: { queries: ['queries'], plain: ['tie_breaker', 'boost'] },
  function_score: {
    queries: ['query'],
    plain: [...FUNCTION.plain, 'score_mode', 'boost_mode', 'max_boost', 'min_score', 'boost', 'functions'],
  },
  nested: { queries: ['query'], plain: ['path', 'score_mode', 'ignore_unmapped', 'boost'] },
};

/** The first thing that a template may not say; undefined where there is none. */
function faultIn(query: JsonValue, depth = 0): string | undefined {
  if (depth > MAX_DEPTH) return `is nested more than ${MAX_DEPTH} levels deep`;
  if (!isObject(query)) return 'must hold a query wherever one stands';
  const [[name, body] = ['', null], ...others] = Object.entries(query);
  if (name === '' || others.length > 0) return 'must name exactly one kind of query wherever one stands';
  if (LEAVES.has(name)) return name === 'terms' ? faultInTerms(body) : undefined;
  const shape = Object.hasOwn(COMPOUNDS, name) ? COMPOUNDS[name] : undefined;
  if (shape === undefined) {
    return `must not hold a query of the kind "${name.slice(0, 64)}"; there are ${[...LEAVES, ...Object.keys(COMPOUNDS)].toSorted().join(', ')}`;
  }
  if (!isObject(body)) return `must hold an object under "${name}"`;
  const fault = faultInShape(body, shape, { name, depth });
  if (fault !== undefined || name !== 'function_score' || body['functions'] === undefined) return fault;
  if (!Array.isArray(body['functions'])) return 'must hold a list under "functions"';
  return first(body['functions'] as readonly JsonValue[], (each) =>
    isObject(each) ? faultInShape(each, FUNCTION, { name: 'functions', depth }) : 'must hold objects in "functions"',
  );
}

function faultInShape(
  body: JsonObject,
  { queries, plain }: Shape,
  { name, depth }: { readonly name: string; readonly depth: number },
): string | undefined {
  return first(Object.entries(body), ([key, value]) => {
    if (queries.includes(key))
      return first(Array.isArray(value) ? (value as readonly JsonValue[]) : [value], (query) => faultIn(query, depth + 1));
    return plain.includes(key) ? undefined : `must not hold "${key.slice(0, 64)}" in "${name}"`;
  });
}

/** Instead of a list it may name a document of another index. */
function faultInTerms(body: JsonValue): string | undefined {
  const values = isObject(body) ? Object.entries(body).filter(([key]) => key !== 'boost') : [];
  return values.length === 1 && values.every(([, value]) => Array.isArray(value)) ? undefined : 'must give a list of values in "terms"';
}

function first<T>(items: readonly T[], fault: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = fault(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function strings(value: JsonValue): readonly string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(strings);
  return isObject(value) ? Object.values(value).flatMap(strings) : [];
}

/** A query of the engine's own language in which strings hold `{{query}}`. */
export const queryTemplateSchema = z.record(z.string(), z.json()).superRefine((template, context) => {
  if (JSON.stringify(template).length > MAX_CHARACTERS) {
    context.addIssue(`is longer than ${MAX_CHARACTERS} characters of JSON`);
    return;
  }
  const fault = faultIn(template);
  if (fault !== undefined) context.addIssue(fault);
  const texts = strings(template);
  if (!texts.some((text) => text.includes(PLACEHOLDER))) context.addIssue(`must hold ${PLACEHOLDER} in a string`);
  if (texts.some((text) => text.replaceAll(PLACEHOLDER, '').includes('{{'))) context.addIssue(`knows no placeholder but ${PLACEHOLDER}`);
});

/** The template with the query in the place of `{{query}}`. Strings stay strings, so a query can say nothing but itself; keys are left alone. */
export function fillTemplate(template: JsonValue, query: string): JsonValue {
  if (typeof template === 'string') return template.replaceAll(PLACEHOLDER, () => query);
  if (Array.isArray(template)) return (template as readonly JsonValue[]).map((item) => fillTemplate(item, query));
  if (!isObject(template)) return template;
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, fillTemplate(value, query)]));
}
