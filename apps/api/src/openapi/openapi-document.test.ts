import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from './openapi-document.js';
import { OPERATIONS } from './operations.js';

describe('openApiDocument', () => {
  const document = openApiDocument();

  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document) as unknown as Parameters<Validator['validate']>[0]);
    expect(result).toMatchObject({ valid: true });
    expect(validator.version).toBe('3.1');
  });

  it('documents every operation with answers, errors and security', () => {
    for (const operation of OPERATIONS) {
      const documented = document.paths?.[operation.path]?.[operation.method];
      expect(documented?.operationId).toBe(operation.id);
      // Text Embeddings Inference answers a fault of its own by 424.
      const fault = operation.errorForms?.every((form) => form === 'tei') === true ? '424' : '500';
      expect(Object.keys(documented?.responses ?? {})).toContain(fault);
      expect(documented?.security).toEqual(operation.scope === undefined ? [] : [{ apiKey: [] }]);
      expect(Object.keys(documented?.responses ?? {}).includes('401')).toBe(operation.scope !== undefined);
    }
  });

  it('documents errors in the form that the route answers in', () => {
    const errorOf = (path: string, status: string) => document.paths?.[path]?.post?.responses?.[status] as { content: object };
    expect(errorOf('/v1/rerank', '400').content).toHaveProperty(['application/problem+json', 'examples', 'invalid_request']);
    expect(errorOf('/v2/rerank', '400').content).toHaveProperty(['application/json', 'examples', 'invalid_request', 'value', 'message']);
    expect(errorOf('/rerank', '422').content).toHaveProperty(['application/json', 'examples', 'invalid_request', 'value', 'error_type']);
    expect(errorOf('/rerank', '400').content).toHaveProperty(['application/problem+json']);
  });

  it('names the headers that tell of a budget, where there is one, and when to try again', () => {
    const headersOf = (path: string, status: string) =>
      Object.keys((document.paths?.[path]?.post?.responses?.[status] as { headers: object }).headers);
    const told = ['X-RateLimit-Limit-Tokens', 'X-RateLimit-Remaining-Tokens', 'X-RateLimit-Reset-Tokens'];
    for (const path of ['/v1/rerank', '/v1/search', '/v2/rerank', '/rerank', '/v1/voyage/rerank'])
      expect(headersOf(path, '200')).toEqual(['X-Request-Id', ...told]);
    expect(headersOf('/v1/rerank', '429')).toEqual(['X-Request-Id', ...told, 'Retry-After']);
    expect(headersOf('/v1/jobs', '202')).toEqual(['X-Request-Id']);
    expect(headersOf('/v1/jobs', '429')).toEqual(['X-Request-Id', 'Retry-After']);
  });

  it('shows examples of requests', () => {
    expect(document.components?.schemas?.RerankRequest).toMatchObject({ examples: [{ top_n: 1 }] });
    expect(document.components?.schemas?.SearchRequest).toMatchObject({ examples: [{ corpus: 'everyday' }] });
  });

  it('gives every operation its own id', () => {
    expect(new Set(OPERATIONS.map((operation) => operation.id)).size).toBe(OPERATIONS.length);
  });
});
