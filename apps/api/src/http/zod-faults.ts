import { RerankError, type FieldError } from '@rerank-fleet/core/errors';
import type { z } from 'zod';
import { pointerSegment } from './json-shape.js';

/** Faults told at once; a body with thousands of bad rows has one cause. */
const MAX_FAULTS = 20;

type Issue = z.core.$ZodIssue;

/** Faults of a value as a client sees them. Messages name rules, never the value. */
export function describeIssues(issues: readonly Issue[]): readonly FieldError[] {
  return issues.flatMap((issue) => describe(issue, '')).slice(0, MAX_FAULTS);
}

/**
 * Validates what came from outside.
 *
 * @param whole what a fault of the value itself is said of
 * @throws RerankError `invalid_request` with a JSON pointer for each fault
 */
export function parseWith<Schema extends z.ZodType>(schema: Schema, value: unknown, whole = 'The body'): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refusalOf(parsed.error.issues, whole);
}

/** What a client is told of a value that is not valid. */
export function refusalOf(issues: readonly Issue[], whole: string): RerankError {
  const errors = describeIssues(issues);
  return new RerankError('invalid_request', summarize(errors, whole), { errors });
}

function summarize(errors: readonly FieldError[], whole: string): string {
  const [first] = errors;
  if (first === undefined) return 'The request is not valid.';
  const rest = errors.length === 1 ? '' : ` (and ${errors.length - 1} more)`;
  return `${first.pointer === '' ? whole : first.pointer}: ${first.detail}${rest}.`;
}

function describe(issue: Issue, parent: string): readonly FieldError[] {
  const pointer = parent + issue.path.map(pointerSegment).join('');
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ pointer: pointer + pointerSegment(key), detail: 'is not a known field' }));
    case 'invalid_union':
      return describeUnion(issue, pointer);
    case 'invalid_type':
      // A field that may not be there says itself why.
      if (issue.expected === 'never') return [{ pointer, detail: plain(issue.message) }];
      return [{ pointer, detail: isMissing(issue) ? 'is required' : `must be ${article(issue.expected)}` }];
    default:
      return [{ pointer, detail: plain(issue.message) }];
  }
}

/** A union is explained by the branch that the value was meant for: the one whose own type fits. */
function describeUnion(issue: Extract<Issue, { code: 'invalid_union' }>, pointer: string): readonly FieldError[] {
  const branches = issue.errors.filter((branch) => !branch.some((fault) => fault.path.length === 0 && fault.code === 'invalid_type'));
  const closest = branches.toSorted((a, b) => depthOf(b) - depthOf(a) || a.length - b.length)[0];
  if (closest !== undefined) return closest.flatMap((fault) => describe(fault, pointer));
  const types = new Set(issue.errors.flat().flatMap((fault) => (fault.code === 'invalid_type' ? [article(fault.expected)] : [])));
  const missing = issue.errors.flat().some(isMissing);
  return [{ pointer, detail: missing ? 'is required' : types.size === 0 ? plain(issue.message) : `must be ${[...types].join(' or ')}` }];
}

function depthOf(branch: readonly Issue[]): number {
  return Math.max(0, ...branch.filter((fault) => fault.code !== 'unrecognized_keys').map((fault) => fault.path.length));
}

function isMissing(issue: Issue): boolean {
  return issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
}

function article(type: string): string {
  if (type === 'int') return 'a whole number';
  if (type === 'record') return 'an object';
  return `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`;
}

function plain(message: string): string {
  const text = message.replace(/^Invalid (input|option): /, '').replace(/^Too (small|big): /, '');
  return text.charAt(0).toLowerCase() + text.slice(1);
}
