import { z } from 'zod';
import type { Condition, Filter } from '../domain/index.js';
import { filterFaults } from './filter-faults.js';

/** Deepest nesting of clauses. */
const MAX_DEPTH = 8;

const key = z.string().min(1).max(256);
const matchAny = z.union([z.array(z.string()).min(1).max(1_000), z.array(z.int()).min(1).max(1_000)]);
const date = z.union([z.iso.datetime({ offset: true, local: true }), z.iso.date()]);
const isDate = (text: string): boolean => date.safeParse(text).success;
const bound = z.union([z.number(), date]);

const matchSchema = z.strictObject({
  key,
  match: z.union([
    z.strictObject({ value: z.union([z.string(), z.int(), z.boolean()]) }),
    z.strictObject({ any: matchAny }),
    z.strictObject({ except: matchAny }),
  ]),
});

const rangeSchema = z.strictObject({
  key,
  range: z
    .strictObject({ gt: bound.optional(), gte: bound.optional(), lt: bound.optional(), lte: bound.optional() })
    .refine((range) => Object.keys(range).length > 0, 'needs at least one of gt, gte, lt, lte')
    .refine((range) => new Set(Object.values(range).map((value) => typeof value)).size <= 1, 'mixes numbers and dates'),
});

const leafSchema = z.union([
  matchSchema,
  rangeSchema,
  z.strictObject({ is_empty: z.strictObject({ key }) }),
  z.strictObject({ is_null: z.strictObject({ key }) }),
]);

const clauseSchema: z.ZodType<Filter> = z.lazy(() => {
  const conditions = z.array(z.union([leafSchema, clauseSchema]) as z.ZodType<Condition>).max(64);
  return z.strictObject({
    must: conditions.optional(),
    should: conditions.optional(),
    must_not: conditions.optional(),
  }) as z.ZodType<Filter>;
});

function depth(filter: Filter): number {
  const children = [...(filter.must ?? []), ...(filter.should ?? []), ...(filter.must_not ?? [])];
  return (
    1 +
    Math.max(
      0,
      ...children.map((child) => ('match' in child || 'range' in child || 'is_empty' in child || 'is_null' in child ? 0 : depth(child))),
    )
  );
}

const wholeSchema = clauseSchema.refine((filter) => depth(filter) <= MAX_DEPTH, `is nested more than ${MAX_DEPTH} levels deep`);

const UNEXPLAINED = [{ path: [], message: 'is no filter of must, should and must_not' }];

/** What is no filter, on its way to being told why. */
class Unfit {
  constructor(readonly filter: unknown) {}
}

/** A union says that none of its forms fits. What is wrong with the one that was meant is said instead. */
const explainedSchema = wholeSchema
  // To write its own schema zod asks for a value without telling of any.
  .catch((failed: { readonly value: unknown } | undefined) => (failed && new Unfit(failed.value)) as Filter)
  .superRefine((value: unknown, context) => {
    if (!(value instanceof Unfit)) return;
    const faults = filterFaults(value.filter, isDate, MAX_DEPTH);
    for (const { path, message } of faults.length === 0 ? UNEXPLAINED : faults)
      context.addIssue({ code: 'custom', path: [...path], message });
  }) as unknown as z.ZodType<Filter, Filter>;

export const filterSchema = explainedSchema.meta({
  id: 'Filter',
  description:
    "A subset of Qdrant's filters over the documents' metadata: must, should, must_not, nested; match, range, is_empty, is_null.",
});
