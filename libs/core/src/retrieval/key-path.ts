import { RerankError } from '../errors/index.js';
import type { JsonValue, Metadata } from '../domain/index.js';

/** One step of a key path: a key of an object, an index of a list, or `undefined` for every element of a list. */
type Step = { readonly key: string } | { readonly index: number | undefined };

const STEP = /(?:(?<raw>[\p{Alphabetic}\p{N}_-]+)|"(?<quoted>[^"\\]*)"|\[(?<index>\d*)\])/uy;

/**
 * Reads a path of Qdrant's grammar: `a.b`, `a[].b`, `a[0]`, `a."key with spaces"`.
 *
 * @throws RerankError `invalid_request`
 */
export function parseKeyPath(path: string): readonly Step[] {
  const steps: Step[] = [];
  let at = 0;
  while (at < path.length || steps.length === 0) {
    const dotted = steps.length > 0 && path[at] === '.';
    if (dotted) at += 1;
    STEP.lastIndex = at;
    const groups = STEP.exec(path)?.groups;
    const isIndex = groups?.index !== undefined;
    const needsDot = steps.length > 0 && !isIndex;
    if (groups === undefined || dotted !== needsDot || (isIndex && steps.length === 0)) throw badPath();
    if (isIndex) steps.push({ index: groups.index === '' ? undefined : Number(groups.index) });
    else steps.push({ key: (groups.raw ?? groups.quoted)! });
    at = STEP.lastIndex;
  }
  return steps;
}

function badPath(): RerankError {
  return new RerankError(
    'invalid_request',
    'A filter key is not a path: use names joined by dots, [] for list elements, and quotes around other names.',
  );
}

/** Values at a path, in order; a key does not look into lists unless the path says `[]`. */
export function valuesAt(metadata: Metadata | undefined, steps: readonly Step[]): readonly JsonValue[] {
  if (metadata === undefined) return [];
  let values: JsonValue[] = [metadata];
  for (const step of steps) {
    const next: JsonValue[] = [];
    for (const value of values) follow(value, step, next);
    if (next.length === 0) return next;
    values = next;
  }
  return values;
}

function follow(value: JsonValue, step: Step, into: JsonValue[]): void {
  if (typeof value !== 'object' || value === null) return;
  const isList = Array.isArray(value);
  if ('key' in step) {
    if (!isList && Object.hasOwn(value, step.key)) into.push((value as Metadata)[step.key]!);
  } else if (isList) {
    const list = value as readonly JsonValue[];
    // No spread: a list of some 100,000 elements would be more arguments than a call can have.
    if (step.index === undefined) for (const element of list) into.push(element);
    else if (step.index < list.length) into.push(list[step.index]!);
  }
}
