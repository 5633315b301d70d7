import { ERROR_CATALOGUE } from '@rerank-fleet/core/errors';
import { codesOf } from '../openapi/operation.js';
import { OPERATIONS } from '../openapi/operations.js';

/** Labels of an answer that a documented route may give. */
export interface KnownAnswer extends Record<string, string> {
  /** As Fastify writes it: `/v1/corpora/:name`. */
  readonly route: string;
  readonly method: string;
  readonly status: string;
}

/** Every status that a documented route may answer with: some ten a route. */
export function knownAnswers(): readonly KnownAnswer[] {
  return OPERATIONS.flatMap((operation) => {
    const route = operation.path.replaceAll(/\{(\w+)\}/g, ':$1');
    const statuses = [...Object.keys(operation.answers).map(Number), ...codesOf(operation).map((code) => ERROR_CATALOGUE[code].status)];
    return [...new Set(statuses)].map((status) => ({ route, method: operation.method.toUpperCase(), status: String(status) }));
  });
}
