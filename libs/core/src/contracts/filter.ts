import { z } from 'zod';
import type { Condition, Filter } from '../domain/index.js';
import { filterFaults } from './filter-faults.js';

/** Deepest nesting of clauses. */
const MAX_DEPTH = 8;

const key = z.string().min(1).max(256).meta({ description: 'Path in the metadata, with dots where it is nested: `author.name`.' });
const matchAny = z.union([z.array(z.string()).min(1).max(1_000), z.array(z.int()).min(1).max(1_000)]);
const date = z.union([z.iso.datetime({ offset: true, local: true }), z.iso.date()]);
const isDate = (text: string): boolean => date.safeParse(text).success;
const bound = z.union([z.number(), date]).meta({ id: 'FilterBound', description: 'A number, or an RFC 3339 date or time.' });

const matchSchema = z
  .strictObject({
    key,
    match: z
      .union([
        z.strictObject({
          value: z
            .union([z.string(), z.int(), z.boolean()])
            .meta({ description: 'Equal to this, or holding it where the field is a list.' }),
        }),
        z.strictObject({ any: matchAny.meta({ description: 'Equal to one of these: all text or all whole numbers.' }) }),
        z.strictObject({ except: matchAny.meta({ description: 'There, and equal to none of these.' }) }),
      ])
      .meta({ description: 'One of `value`, `any` and `except`.' }),
  })
  .meta({ id: 'FilterMatch' });

const rangeSchema = z
  .strictObject({
    key,
    range: z
      .strictObject({
        gt: bound.optional().meta({ description: 'Above this.' }),
        gte: bound.optional().meta({ description: 'This or above.' }),
        lt: bound.optional().meta({ description: 'Below this.' }),
        lte: bound.optional().meta({ description: 'This or below.' }),
      })
      .refine((range) => Object.keys(range).length > 0, 'needs at least one of gt, gte, lt, lte')
      .refine((range) => new Set(Object.values(range).map((value) => typeof value)).size <= 1, 'mixes numbers and dates')
      .meta({ description: 'At least one bound; all are numbers or all are dates.' }),
  })
  .meta({ id: 'FilterRange' });

const leafSchema = z.union([
  matchSchema,
  rangeSchema,
  z
    .strictObject({ is_empty: z.strictObject({ key }).meta({ description: 'The field is absent, null or an empty list.' }) })
    .meta({ id: 'FilterIsEmpty' }),
  z.strictObject({ is_null: z.strictObject({ key }).meta({ description: 'The field is there and null.' }) }).meta({ id: 'FilterIsNull' }),
]);

const clauseSchema: z.ZodType<Filter> = z
  .lazy(() => {
    const conditions = z.array(z.union([leafSchema, clauseSchema]) as z.ZodType<Condition>).max(64);
    return z.strictObject({
      must: conditions.optional().meta({ description: 'All of these hold. At most 64.' }),
      should: conditions.optional().meta({ description: 'At least one of these holds. At most 64.' }),
      must_not: conditions.optional().meta({ description: 'None of these holds. At most 64.' }),
    }) as z.ZodType<Filter>;
  })
  .meta({ id: 'Filter', description: `Conditions, and clauses in clauses, at most ${MAX_DEPTH} levels deep.` });

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
  description:
    "A subset of Qdrant's filters over the documents' metadata: must, should, must_not, nested; match, range, is_empty, is_null. Default: every document passes.",
});
