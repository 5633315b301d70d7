import {
  jobRerankRowSchema,
  jobSearchRowSchema,
  rerankRequestSchema,
  searchRequestSchema,
  type JobRerankRow,
  type JobSearchRow,
} from '../contracts/index.js';
import { RerankError } from '../errors/index.js';
import type { z } from 'zod';

/** What a row of a job asks for, with the job's defaults. */
export type JobRequest =
  { readonly kind: 'search'; readonly request: JobSearchRow } | { readonly kind: 'rerank'; readonly request: JobRerankRow };

export type ReadJobRow = { readonly ok: true; readonly row: JobRequest } | { readonly ok: false; readonly error: z.ZodError };

type Fields = Readonly<Record<string, unknown>>;

const RERANK_FIELDS: ReadonlySet<string> = new Set(Object.keys(rerankRequestSchema.shape));
const SEARCH_FIELDS: ReadonlySet<string> = new Set(Object.keys(searchRequestSchema.shape));

/**
 * A default that no request knows is a slip of the pen: reranks would leave it out without a word.
 *
 * @throws RerankError `invalid_request`, with pointers below `/defaults`
 */
export function assertKnownDefaults(defaults: Fields): void {
  const faults = Object.keys(defaults).flatMap((name) => {
    if (name === 'timeout_ms') return { name, detail: 'has no use in a job; expires_in_s bounds the whole job' };
    return RERANK_FIELDS.has(name) || SEARCH_FIELDS.has(name) ? [] : { name, detail: 'is no field of a search or a rerank' };
  });
  const errors = faults.map(({ name, detail }) => ({ pointer: `/defaults/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, detail }));
  const [first] = errors;
  if (first !== undefined) throw new RerankError('invalid_request', `${first.pointer}: ${first.detail}.`, { errors });
}

/** Reads rows as they will run: a row with `documents` is a rerank and takes of the defaults what a rerank knows, any other is a search. */
export function jobRowReader(defaults: Fields = {}): (row: Fields) => ReadJobRow {
  const known = Object.fromEntries(Object.entries(defaults).filter(([name]) => RERANK_FIELDS.has(name)));
  const forReranks = withDefaults(known);
  const forSearches = withDefaults(defaults);
  return (row) => {
    if ('documents' in row || (!('corpus' in row) && 'documents' in defaults)) {
      const read = jobRerankRowSchema.safeParse(forReranks(row));
      return read.success ? { ok: true, row: { kind: 'rerank', request: read.data } } : { ok: false, error: read.error };
    }
    const read = jobSearchRowSchema.safeParse(forSearches(row));
    return read.success ? { ok: true, row: { kind: 'search', request: read.data } } : { ok: false, error: read.error };
  };
}

/** Reads one row; see {@link jobRowReader}. */
export function readJobRow(row: Fields, defaults?: Fields): ReadJobRow {
  return jobRowReader(defaults)(row);
}

/** A model of the row's own takes the place of the default stages, and the other way round. */
function withDefaults(defaults: Fields): (row: Fields) => Fields {
  const { model: _, stages: __, ...rest } = defaults;
  if (Object.keys(defaults).length === 0) return (row) => row;
  return (row) => ({ ...('model' in row || 'stages' in row ? rest : defaults), ...row });
}
