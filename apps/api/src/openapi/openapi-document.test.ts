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

  it('shows examples of requests', () => {
    expect(document.components?.schemas?.RerankRequest).toMatchObject({ examples: [{ top_n: 1 }] });
    expect(document.components?.schemas?.SearchRequest).toMatchObject({ examples: [{ corpus: 'everyday' }] });
  });

  it('gives every operation its own id', () => {
    expect(new Set(OPERATIONS.map((operation) => operation.id)).size).toBe(OPERATIONS.length);
  });
});
