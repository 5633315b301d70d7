import { z } from 'zod';

/** Tenants and corpora share one alphabet: both become part of collection names. */
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

export const tenantSchema = z.string().regex(NAME);

export const corpusNameSchema = z
  .string()
  .regex(NAME, 'must be 1 to 63 lower-case letters, digits or hyphens, and start with a letter or digit')
  .meta({ id: 'CorpusName', description: 'Name of the corpus: 1 to 63 of a-z, 0-9 and -, the first no hyphen.', examples: ['manuals'] });

/** Text that every store, tokenizer and client can carry: no NUL, no half of a surrogate pair. */
export const textSchema = z
  .string()
  .refine((text) => !text.includes('\0'), 'holds a NUL character; remove it')
  .refine((text) => text.isWellFormed(), 'holds half of a surrogate pair; send well-formed Unicode');

export const nonBlankTextSchema = textSchema.refine((text) => text.trim() !== '', 'must not be empty');

export const querySchema = nonBlankTextSchema.max(32_768, 'must have at most 32,768 characters').meta({
  description:
    'What is searched for. Never cut silently: a query that alone fills the window of the reranker, or of the embedder of a `dense` or `hybrid` search, is 422 `query_too_long`.',
});

export const documentIdSchema = nonBlankTextSchema.max(512, 'must have at most 512 characters');

/** Any JSON. One instance, so that documents give it one name. */
export const jsonSchema = z.json().register(z.globalRegistry, { id: 'Json', description: 'Any JSON value.' });

export const modelNameSchema = z.string().min(1).max(256);

/** Seconds since the epoch, as the OpenAI and Cohere dialects give times. */
export const epochSecondsSchema = z.int().nonnegative();
