import type { Condition, Filter, JsonValue, RangeCondition } from '../../../domain/index.js';
import { RerankError } from '../../../errors/index.js';
import { compileFilter, parseDateMicros, parseKeyPath } from '../../../retrieval/index.js';
import { metadataFields, type ElasticsearchOptions } from './source-options.js';

type Query = Readonly<Record<string, JsonValue>>;

/**
 * A filter in the engine's words. Fields are flat there: lists are looked into at every step, and a list has a value or does not. So `except` asks that none
 * of a list's values is named, where the stores of this service ask that one is not.
 *
 * @returns undefined where the filter says nothing
 * @throws RerankError `invalid_request` for what cannot be said there
 */
export function filterQuery(filter: Filter, options: ElasticsearchOptions): Query | undefined {
  compileFilter(filter);
  const query = ofFilter(filter, (key) => fieldOf(key, options));
  return Object.keys(query['bool'] as object).length === 0 ? undefined : query;
}

function ofFilter({ must = [], should = [], must_not: mustNot = [] }: Filter, field: (key: string) => string): Query {
  const all = (conditions: readonly Condition[]): Query[] => conditions.map((condition) => ofCondition(condition, field));
  return {
    bool: {
      ...(must.length === 0 ? {} : { filter: all(must) }),
      ...(mustNot.length === 0 ? {} : { must_not: all(mustNot) }),
      ...(should.length === 0 ? {} : { should: all(should), minimum_should_match: 1 }),
    },
  };
}

function ofCondition(condition: Condition, field: (key: string) => string): Query {
  if ('match' in condition) {
    const [name, { match }] = [field(condition.key), condition];
    if ('value' in match) return { term: { [name]: match.value } };
    if ('any' in match) return { terms: { [name]: [...match.any] } };
    return { bool: { filter: [{ exists: { field: name } }], must_not: [{ terms: { [name]: [...match.except] } }] } };
  }
  if ('range' in condition) return { range: { [field(condition.key)]: boundsOf(condition.range) } };
  if ('is_empty' in condition) return { bool: { must_not: [{ exists: { field: field(condition.is_empty.key) } }] } };
  if ('is_null' in condition) throw refused(`is_null of "${condition.is_null.key}", as an index knows no nulls; use is_empty`);
  return ofFilter(condition, field);
}

/** Dates go with all their parts: the engine would read the end of the day into a bare one. */
function boundsOf(range: RangeCondition['range']): Query {
  const entries = Object.entries(range).filter(([, bound]) => bound !== undefined);
  const isDate = entries.some(([, bound]) => typeof bound === 'string');
  const bounds = entries.map(([name, bound]) => [name, typeof bound === 'string' ? fullDate(bound) : bound]);
  return { ...(Object.fromEntries(bounds) as Query), ...(isDate ? { format: 'strict_date_optional_time_nanos' } : {}) };
}

function fullDate(text: string): string {
  const micros = parseDateMicros(text) ?? Number.NaN;
  const seconds = Math.floor(micros / 1_000_000);
  const fraction = String(micros - seconds * 1_000_000).padStart(6, '0');
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19)}.${fraction}Z`;
}

function fieldOf(key: string, options: ElasticsearchOptions): string {
  const steps = parseKeyPath(key);
  if (steps.some((step) => 'index' in step && step.index !== undefined)) throw refused(`one element of a list ("${key}")`);
  const path = steps.flatMap((step) => ('key' in step ? [step.key] : [])).join('.');
  const { filter_fields: named = {} } = options;
  const known = metadataFields(options);
  const field = mapped(path, named) ?? (known === undefined ? path : mapped(path, known));
  if (field === undefined) throw refused(`the key "${key}", which is none of metadata_fields or filter_fields of its source`);
  // Such names would stand for several fields.
  if (/[*?]/.test(field)) throw refused(`the key "${key}"`);
  return field;
}

/** By the key itself, or by the longest key above it. */
function mapped(path: string, fields: Readonly<Record<string, string>>): string | undefined {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
    const key = path.slice(0, end);
    if (Object.hasOwn(fields, key)) return `${fields[key]!}${path.slice(end)}`;
  }
  return undefined;
}

function refused(what: string): RerankError {
  const detail = `holds what the first stage of this corpus cannot ask for: ${what}`;
  return new RerankError('invalid_request', `/filter ${detail}.`, { errors: [{ pointer: '/filter', detail }] });
}
