import type { Scope } from '@rerank-fleet/core/config';
import type { ErrorCode } from '@rerank-fleet/core/errors';
import type { z } from 'zod';
import type { ErrorDialect } from '../compat/error-dialects.js';

export type ErrorForm = 'problem' | ErrorDialect;

/** A route as it is documented. Schemas are those that validate. */
export interface Operation {
  readonly method: 'get' | 'put' | 'post' | 'delete';
  /** OpenAPI's spelling: `/v1/corpora/{name}`. */
  readonly path: string;
  readonly id: string;
  readonly tag: 'rerank' | 'compat' | 'search' | 'corpora' | 'jobs' | 'models' | 'keys' | 'admin' | 'health';
  readonly summary: string;
  readonly description?: string;
  /** One of them is enough. Absent: open to all. */
  readonly scope?: Scope | readonly Scope[];
  readonly params?: { readonly path?: z.ZodObject; readonly query?: z.ZodObject; readonly header?: z.ZodObject };
  readonly body?: { readonly required: boolean; readonly content: Readonly<Record<string, z.ZodType>> };
  readonly answers: Readonly<Record<number, { readonly description: string; readonly schema?: z.ZodType; readonly type?: string }>>;
  /** Answers tell what of the tenant's budget is left. */
  readonly metered?: boolean;
  /** Errors of the route itself; those of every route are added. */
  readonly errors: readonly ErrorCode[];
  /** Forms that its errors come in. Default: problems only. */
  readonly errorForms?: readonly ErrorForm[];
}

export const QUEUED: readonly ErrorCode[] = [
  'queue_unavailable',
  'queue_paused',
  'queue_drained',
  'deadline_exceeded',
  'model_unavailable',
];
export const BODY: readonly ErrorCode[] = ['invalid_request', 'payload_too_large', 'unsupported_media_type', 'overloaded'];
export const SCORED: readonly ErrorCode[] = ['model_not_found', 'query_too_long', 'pair_too_long', 'score_not_finite'];
export const STORED: readonly ErrorCode[] = ['candidate_store_unavailable'];

export const json = (schema: z.ZodType, required = true): NonNullable<Operation['body']> => ({
  required,
  content: { 'application/json': schema },
});

const GUARDED: readonly ErrorCode[] = ['unauthorized', 'forbidden'];
const EVERYWHERE: readonly ErrorCode[] = ['internal_error'];

/** Errors that the route may answer with, those of every route too. */
export function codesOf({ errors, scope }: Pick<Operation, 'errors' | 'scope'>): readonly ErrorCode[] {
  return [...new Set([...errors, ...(scope === undefined ? [] : GUARDED), ...EVERYWHERE])];
}
