/** What is wrong in a filter, told by what its writer most likely meant. Names rules, never values. */
export interface FilterFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

type Fields = Readonly<Record<string, unknown>>;
type Path = FilterFault['path'];
type Faults = readonly FilterFault[];

const CLAUSES = ['must', 'should', 'must_not'];
const LEAVES = ['match', 'range', 'is_empty', 'is_null'];
const OPERATORS = ['value', 'any', 'except'];
const BOUNDS = ['gt', 'gte', 'lt', 'lte'];
const MOST_CONDITIONS = 64;
const MOST_VALUES = 1_000;

const NEEDS_CLAUSE = 'must be an object of must (all of), should (one of) and must_not (none of), each a list of conditions';
const NEEDS_CONDITION =
  'must be a condition: {"key", "match"}, {"key", "range"}, {"is_empty": {"key"}}, {"is_null": {"key"}}, or a nested must, should or must_not';

const fault = (path: Path, message: string): Faults => [{ path, message }];

/**
 * @param isDate whether a text is a date that a range may have
 * @param depthLeft levels that clauses may still nest
 */
export function filterFaults(filter: unknown, isDate: (text: string) => boolean, depthLeft: number, path: Path = []): Faults {
  if (!isFields(filter)) return fault(path, NEEDS_CLAUSE);
  const names = Object.keys(filter);
  if (names.some((name) => name === 'key' || LEAVES.includes(name)))
    return fault(path, 'is a condition where clauses are needed; put it into a list: {"must": [ … ]}');
  return names.flatMap((name) => {
    const at = [...path, name];
    if (!CLAUSES.includes(name)) return fault(at, 'is no clause; use must (all of), should (one of) or must_not (none of)');
    const conditions = filter[name];
    if (conditions === undefined) return [];
    if (!Array.isArray(conditions)) return fault(at, 'must be a list of conditions, also where it is one');
    if (conditions.length > MOST_CONDITIONS) return fault(at, `has more than ${MOST_CONDITIONS} conditions`);
    if (depthLeft === 0) return fault(path, 'is nested too deep; put its conditions into the clauses above it');
    return conditions.flatMap((condition, position) => conditionFaults(condition, isDate, depthLeft, [...at, position]));
  });
}

function conditionFaults(condition: unknown, isDate: (text: string) => boolean, depthLeft: number, path: Path): Faults {
  if (!isFields(condition)) return fault(path, NEEDS_CONDITION);
  const names = Object.keys(condition);
  const kinds = LEAVES.filter((name) => name in condition);
  const [kind] = kinds;
  if (kind === undefined && !('key' in condition)) {
    const isNested = names.length > 0 && names.every((name) => CLAUSES.includes(name));
    return isNested || names.length === 0 ? filterFaults(condition, isDate, depthLeft - 1, path) : fault(path, NEEDS_CONDITION);
  }
  if (kinds.length > 1)
    return fault([...path, kinds[1]!], `stands beside ${kind}; a condition has one of ${LEAVES.join(', ')}: make it two`);
  if (kind === 'is_empty' || kind === 'is_null') return existenceFaults(condition, kind, path);
  const others = names.filter((name) => name !== 'key' && name !== kind);
  if (others.length > 0) return others.flatMap((name) => fault([...path, name], strangerIn(name)));
  if (kind === undefined) return fault(path, 'has a key and no match or range to compare it with');
  const of = [...path, kind];
  const compared = kind === 'match' ? matchFaults(condition['match'], of) : rangeFaults(condition['range'], isDate, of);
  return [...keyFaults(condition, path), ...compared];
}

function strangerIn(name: string): string {
  if (CLAUSES.includes(name)) return 'stands beside a condition; make it a condition of its own';
  if (BOUNDS.includes(name)) return `is a bound; put it into range: {"range": {"${name}": …}}`;
  if (OPERATORS.includes(name)) return `is an operator of match; put it there: {"match": {"${name}": …}}`;
  return 'is no known operator; use match or range';
}

/** @param holder has the key, as it should */
function keyFaults(holder: Fields, path: Path): Faults {
  const key = holder['key'];
  if (key === undefined) return fault([...path, 'key'], 'is required: the path of the metadata, with dots where it is nested');
  return typeof key === 'string' && key !== '' ? [] : fault([...path, 'key'], 'must be the path of the metadata as text');
}

function existenceFaults(condition: Fields, kind: string, path: Path): Faults {
  const others = Object.keys(condition).filter((name) => name !== kind);
  const named = condition[kind];
  if (others.length === 0 && isFields(named) && Object.keys(named).every((name) => name === 'key'))
    return keyFaults(named, [...path, kind]);
  return fault([...path, kind], `stands alone and names its key: {"${kind}": {"key": …}}`);
}

function matchFaults(match: unknown, path: Path): Faults {
  if (!isFields(match)) return fault(path, 'must be an object: {"value": …}, {"any": [ … ]} or {"except": [ … ]}');
  const unknown = Object.keys(match).filter((name) => !OPERATORS.includes(name));
  if (unknown.length > 0) return unknown.flatMap((name) => fault([...path, name], `is no operator of match; use ${OPERATORS.join(', ')}`));
  const [operator, ...more] = Object.keys(match);
  if (operator === undefined || more.length > 0) return fault(path, `needs one of ${OPERATORS.join(', ')}`);
  const at = [...path, operator];
  return operator === 'value' ? valueFaults(match[operator], at) : valuesFaults(match[operator], at);
}

function valueFaults(value: unknown, path: Path): Faults {
  if (typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)) return [];
  if (typeof value === 'number') return fault(path, 'must be a whole number; compare fractions by a range');
  if (Array.isArray(value)) return fault(path, 'must be one value; use any for a list');
  if (value === null) return fault(path, 'cannot be null; use {"is_null": {"key": …}} or {"is_empty": {"key": …}}');
  return fault(path, 'must be text, a whole number or a boolean');
}

function valuesFaults(values: unknown, path: Path): Faults {
  if (!Array.isArray(values)) return fault(path, 'must be a list; use value for one');
  if (values.length === 0) return fault(path, 'must not be empty');
  if (values.length > MOST_VALUES) return fault(path, `has more than ${MOST_VALUES} values`);
  const isWhole = values.every((value) => typeof value === 'string') || values.every((value) => Number.isSafeInteger(value));
  return isWhole ? [] : fault(path, 'must be all text or all whole numbers');
}

function rangeFaults(range: unknown, isDate: (text: string) => boolean, path: Path): Faults {
  if (!isFields(range)) return fault(path, 'must be an object of gt, gte, lt and lte');
  const names = Object.keys(range);
  if (names.length === 0) return fault(path, 'needs at least one of gt, gte, lt, lte');
  const faults = names.flatMap((name) => {
    const at = [...path, name];
    if (!BOUNDS.includes(name)) return fault(at, 'is no bound; use gt, gte, lt or lte');
    const bound = range[name];
    return typeof bound === 'number' || (typeof bound === 'string' && isDate(bound))
      ? []
      : fault(at, 'must be a number or an RFC 3339 date');
  });
  if (faults.length > 0) return faults;
  return new Set(names.map((name) => typeof range[name])).size > 1 ? fault(path, 'mixes numbers and dates') : [];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
