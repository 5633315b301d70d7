import { NotFoundException, PayloadTooLargeException } from '@nestjs/common';
import { problemSchema } from '@rerank-fleet/core/contracts';
import { ERROR_CODES, RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';
import { asRerankError, describeProblem } from './problem.js';

const fastifyError = (code: string, statusCode: number): Error => Object.assign(new Error('framework says so'), { code, statusCode });

describe('asRerankError', () => {
  it('keeps our own errors', () => {
    const error = new RerankError('overloaded', 'Later.');
    expect(asRerankError(error)).toBe(error);
  });

  it.each([
    [fastifyError('FST_ERR_CTP_INVALID_MEDIA_TYPE', 415), 'unsupported_media_type'],
    [fastifyError('FST_ERR_CTP_BODY_TOO_LARGE', 413), 'payload_too_large'],
    [fastifyError('FST_ERR_BAD_URL', 400), 'invalid_request'],
    [fastifyError('FST_ERR_MAX_PARAM_LENGTH', 414), 'invalid_request'],
    [fastifyError('FST_ERR_SEND_INSIDE_ONERR', 500), 'internal_error'],
    [new NotFoundException('Cannot GET /x'), 'route_not_found'],
    [new PayloadTooLargeException(), 'payload_too_large'],
  ])('maps what the framework throws: %#', (thrown, code) => {
    expect(asRerankError(thrown).code).toBe(code);
  });

  it.each([new Error('secret at 10.0.0.1'), new TypeError('x is undefined'), 'a string', undefined, { statusCode: 404 }])(
    'tells nothing of an unknown fault: %#',
    (thrown) => {
      const error = asRerankError(thrown);
      expect(error.code).toBe('internal_error');
      expect(error.detail).toBe('An unexpected fault. Quote the request id when you report it.');
    },
  );
});

describe('describeProblem', () => {
  it.each(ERROR_CODES)('answers %s as a valid problem', (code) => {
    const problem = describeProblem(new RerankError(code, 'Why.'), 'id-1');
    expect(problemSchema.parse(problem.body)).toEqual(problem.body);
    expect(problem.body).toMatchObject({ code, status: problem.status, detail: 'Why.', message: 'Why.', instance: 'id-1' });
    expect(problem.headers['x-request-id']).toBe('id-1');
  });

  it('carries Retry-After in whole seconds, at least one', () => {
    expect(describeProblem(new RerankError('overloaded', 'x', { retryAfterS: 1.2 }), 'id').headers['retry-after']).toBe('2');
    expect(describeProblem(new RerankError('overloaded', 'x', { retryAfterS: 0 }), 'id').headers['retry-after']).toBe('1');
    expect(describeProblem(new RerankError('overloaded', 'x'), 'id').headers).not.toHaveProperty('retry-after');
  });

  it('asks for a bearer key where none was valid', () => {
    expect(describeProblem(new RerankError('unauthorized', 'x'), 'id').headers['www-authenticate']).toBe('Bearer');
  });
});
