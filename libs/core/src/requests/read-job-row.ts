import { jobRerankRowSchema, jobSearchRowSchema, rerankRequestSchema, type JobRerankRow, type JobSearchRow } from '../contracts/index.js';
import type { z } from 'zod';

/** What a row of a job asks for, with the job's defaults. */
export type JobRequest =
  { readonly kind: 'search'; readonly request: JobSearchRow } | { readonly kind: 'rerank'; readonly request: JobRerankRow };

export type ReadJobRow = { readonly ok: true; readonly row: JobRequest } | { readonly ok: false; readonly error: z.ZodError };

type Fields = Readonly<Record<string, unknown>>;

const RERANK_FIELDS: ReadonlySet<string> = new Set(Object.keys(rerankRequestSchema.shape));

/** Reads a row as it will run: a row with `documents` is a rerank and takes of the defaults what a rerank knows, any other is a search. */
export function readJobRow(row: Fields, defaults: Fields = {}): ReadJobRow {
  if ('documents' in row || (!('corpus' in row) && 'documents' in defaults)) {
    const known = Object.fromEntries(Object.entries(defaults).filter(([name]) => RERANK_FIELDS.has(name)));
    const read = jobRerankRowSchema.safeParse(withDefaults(row, known));
    return read.success ? { ok: true, row: { kind: 'rerank', request: read.data } } : { ok: false, error: read.error };
  }
  const read = jobSearchRowSchema.safeParse(withDefaults(row, defaults));
  return read.success ? { ok: true, row: { kind: 'search', request: read.data } } : { ok: false, error: read.error };
}

/** A model of the row's own takes the place of the default stages, and the other way round. */
function withDefaults(row: Fields, defaults: Fields): Fields {
  const { model, stages, ...rest } = defaults;
  const own = 'model' in row || 'stages' in row;
  return { ...rest, ...(own || model === undefined ? {} : { model }), ...(own || stages === undefined ? {} : { stages }), ...row };
}
