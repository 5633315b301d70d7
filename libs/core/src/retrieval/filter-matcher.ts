import { RerankError } from '../errors/index.js';
import type { Condition, Filter, JsonValue, MatchCondition, Metadata, RangeCondition } from '../domain/index.js';
import { parseKeyPath, valuesAt } from './key-path.js';
import { parseDateMicros } from './rfc3339.js';

/** Whether a document's metadata passes; undefined metadata is an empty object. */
export type MetadataPredicate = (metadata: Metadata | undefined) => boolean;

type ValuePredicate = (value: JsonValue) => boolean;

/**
 * Compiles a filter with Qdrant's semantics: all of `must`, none of `must_not`, one of `should`; an absent or empty list says nothing.
 * A list value matches if one element does. No condition but `is_empty` holds for a missing key.
 *
 * @throws RerankError `invalid_request` where Qdrant would refuse the filter too
 */
export function compileFilter(filter: Filter): MetadataPredicate {
  const must = (filter.must ?? []).map(compileCondition);
  const should = (filter.should ?? []).map(compileCondition);
  const mustNot = (filter.must_not ?? []).map(compileCondition);
  return (metadata) =>
    must.every((holds) => holds(metadata)) &&
    !mustNot.some((holds) => holds(metadata)) &&
    (should.length === 0 || should.some((holds) => holds(metadata)));
}

function compileCondition(condition: Condition): MetadataPredicate {
  if ('match' in condition) return anyElement(condition.key, compileMatch(condition.match));
  if ('range' in condition) return anyElement(condition.key, compileRange(condition.range));
  if ('is_empty' in condition)
    return allValues(condition.is_empty.key, (value) => value === null || (Array.isArray(value) && value.length === 0));
  if ('is_null' in condition) return anyElement(condition.is_null.key, (value) => value === null);
  return compileFilter(condition);
}

function anyElement(key: string, holds: ValuePredicate): MetadataPredicate {
  const path = parseKeyPath(key);
  return (metadata) =>
    valuesAt(metadata, path).some((value) => (Array.isArray(value) ? (value as readonly JsonValue[]).some(holds) : holds(value)));
}

function allValues(key: string, holds: ValuePredicate): MetadataPredicate {
  const path = parseKeyPath(key);
  return (metadata) => valuesAt(metadata, path).every(holds);
}

function compileMatch(match: MatchCondition['match']): ValuePredicate {
  if ('value' in match) {
    const wanted = match.value;
    if (typeof wanted === 'number' && !Number.isSafeInteger(wanted)) throw badMatch();
    return (value) => value === wanted;
  }
  const wanted = new Set<JsonValue>(oneType('any' in match ? match.any : match.except));
  if ('any' in match) return (value) => wanted.has(value);
  return (value) => value !== null && !wanted.has(value);
}

function oneType(values: readonly (string | number)[]): readonly (string | number)[] {
  const ok = values.every((value) => typeof value === 'string') || values.every((value) => Number.isSafeInteger(value));
  if (!ok) throw badMatch();
  return values;
}

function badMatch(): RerankError {
  return new RerankError(
    'invalid_request',
    'A filter match takes strings, whole numbers or booleans, and a list is all strings or all whole numbers.',
  );
}

function compileRange(range: RangeCondition['range']): ValuePredicate {
  const bounds = [range.gt, range.gte, range.lt, range.lte].filter((bound) => bound !== undefined);
  if (bounds.every((bound) => typeof bound === 'number')) {
    const inside = compileBounds(range as Readonly<Record<string, number | undefined>>);
    return (value) => typeof value === 'number' && inside(value);
  }
  const inside = compileBounds({ gt: dateBound(range.gt), gte: dateBound(range.gte), lt: dateBound(range.lt), lte: dateBound(range.lte) });
  return (value) => {
    const micros = typeof value === 'string' ? parseDateMicros(value) : undefined;
    return micros !== undefined && inside(micros);
  };
}

function dateBound(bound: number | string | undefined): number | undefined {
  if (bound === undefined) return undefined;
  const micros = typeof bound === 'string' ? parseDateMicros(bound) : undefined;
  if (micros === undefined) throw new RerankError('invalid_request', 'The bounds of a filter range are all numbers or all RFC 3339 dates.');
  return micros;
}

function compileBounds({ gt, gte, lt, lte }: Readonly<Record<string, number | undefined>>): (value: number) => boolean {
  return (value) =>
    (gt === undefined || value > gt) &&
    (gte === undefined || value >= gte) &&
    (lt === undefined || value < lt) &&
    (lte === undefined || value <= lte);
}
