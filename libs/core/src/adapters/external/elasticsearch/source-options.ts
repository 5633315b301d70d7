import { z } from 'zod';
import { queryTemplateSchema } from './query-template.js';

/** A field's path in the mapping. Names with wildcards would name others, too. */
const fieldSchema = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^*?\s^"\\,]+$/, 'must be the path of one field');

const boostedSchema = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^*?\s^"\\,]+(\^\d{1,4}(\.\d{1,4})?)?$/, 'must be the path of one field, perhaps with a boost as in title^2');

/** One index or alias: no list, pattern, date arithmetic or other cluster, and nothing that a path could be made of. Hidden ones are left alone. */
const indexSchema = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be the name of one index or alias: letters, digits, dots, underscores and hyphens');

const keySchema = z.string().min(1).max(256);

const multiMatchSchema = z.strictObject({
  type: z.enum(['best_fields', 'most_fields', 'cross_fields', 'phrase', 'bool_prefix']).optional(),
  operator: z.enum(['or', 'and']).optional(),
  minimum_should_match: z.union([z.int(), z.string().max(64)]).optional(),
  fuzziness: z.union([z.literal('AUTO'), z.int().min(0).max(2)]).optional(),
  tie_breaker: z.number().min(0).max(1).optional(),
});

/** What a corpus says of its index. */
export const sourceOptionsSchema = z
  .strictObject({
    index: indexSchema,
    text_field: fieldSchema,
    title_field: fieldSchema.optional(),
    id_field: fieldSchema.default('_id'),
    passage_index_field: fieldSchema.optional(),
    search_fields: z.array(boostedSchema).min(1).max(64).optional(),
    multi_match: multiMatchSchema.optional(),
    query_template: queryTemplateSchema.optional(),
    vector_field: fieldSchema.optional(),
    num_candidates: z.int().min(1).max(10_000).optional(),
    model_id: z.string().min(1).max(256).optional(),
    embed_query: z.boolean().optional(),
    metadata_fields: z.union([z.array(fieldSchema).max(256), z.record(keySchema, fieldSchema)]).optional(),
    filter_fields: z.record(keySchema, fieldSchema).optional(),
  })
  .superRefine((options, context) => {
    const fault = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    const { query_template: template, vector_field: vectorField, model_id: modelId, embed_query: embedQuery } = options;
    if (template !== undefined && options.search_fields !== undefined) fault('search_fields', 'has no use beside query_template');
    if (template !== undefined && options.multi_match !== undefined) fault('multi_match', 'has no use beside query_template');
    if (vectorField === undefined) {
      for (const name of ['num_candidates', 'model_id'] as const)
        if (options[name] !== undefined) fault(name, 'has no use without vector_field');
      if (embedQuery === true) fault('embed_query', 'has no use without vector_field');
    } else if (embedQuery !== undefined && embedQuery !== (modelId === undefined)) {
      fault('embed_query', 'must be true where vector_field is given without model_id, and false with it');
    }
  })
  .transform((options) => ({ ...options, embed_query: options.vector_field !== undefined && options.model_id === undefined }));

export type ElasticsearchOptions = z.output<typeof sourceOptionsSchema>;

/** Metadata key → path in the document; undefined where all of it is metadata. */
export function metadataFields({ metadata_fields: fields }: ElasticsearchOptions): Readonly<Record<string, string>> | undefined {
  return Array.isArray(fields) ? Object.fromEntries(fields.map((field) => [field, field])) : fields;
}

/** Whether a name fits one of the patterns, in which `*` stands for any characters. */
export function fitsPattern(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const literal = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${literal.join('.*')}$`, 's').test(name);
  });
}
