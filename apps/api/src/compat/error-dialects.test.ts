import { cohereErrorSchema, openAiErrorSchema, teiErrorSchema, voyageErrorSchema } from '@rerank-fleet/core/contracts';
import { ERROR_CODES, RerankError, type ErrorCode } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';
import { EmptyInputError } from './empty-input-error.js';
import { describeInDialect } from './error-dialects.js';

const tei = (error: RerankError) => {
  const { status, body } = describeInDialect('tei', error, 'r-1');
  return [status, teiErrorSchema.parse(body).error_type];
};

describe('describeInDialect', () => {
  it('gives every error each dialect’s own form, and nothing else', () => {
    for (const code of ERROR_CODES) {
      const error = new RerankError(code, 'What to do.');
      expect(describeInDialect('cohere', error, 'r-1')).toMatchObject({
        status: error.status,
        body: { id: 'r-1', message: 'What to do.' },
      });
      expect(describeInDialect('voyage', error, 'r-1')).toMatchObject({ status: error.status, body: { detail: 'What to do.' } });
      expect(describeInDialect('openai', error, 'r-1')).toMatchObject({ status: error.status, body: { error: { code, param: null } } });
      expect(openAiErrorSchema.strict().safeParse(describeInDialect('openai', error, 'r-1').body).success).toBe(true);
      expect(cohereErrorSchema.strict().safeParse(describeInDialect('cohere', error, 'r-1').body).success).toBe(true);
      expect(voyageErrorSchema.strict().safeParse(describeInDialect('voyage', error, 'r-1').body).success).toBe(true);
      expect(teiErrorSchema.strict().safeParse(describeInDialect('tei', error, 'r-1').body).success).toBe(true);
    }
  });

  it.each<[ErrorCode, number, string]>([
    ['overloaded', 429, 'Overloaded'],
    ['invalid_request', 422, 'Validation'],
    ['query_too_long', 413, 'Validation'],
    ['pair_too_long', 413, 'Validation'],
    ['too_many_documents', 413, 'Validation'],
    ['unauthorized', 401, 'Validation'],
    ['queue_unavailable', 503, 'Unhealthy'],
    ['model_unavailable', 503, 'Unhealthy'],
    ['score_not_finite', 424, 'Backend'],
    ['deadline_exceeded', 424, 'Backend'],
    ['internal_error', 424, 'Backend'],
  ])('answers %s to a TEI client as %i %s', (code, status, type) => {
    expect(tei(new RerankError(code, 'Why.'))).toEqual([status, type]);
  });

  it.each<[ErrorCode, string]>([
    ['invalid_request', 'invalid_request_error'],
    ['file_not_found', 'invalid_request_error'],
    ['payload_too_large', 'invalid_request_error'],
    ['unauthorized', 'authentication_error'],
    ['forbidden', 'permission_error'],
    ['overloaded', 'rate_limit_error'],
    ['queue_unavailable', 'server_error'],
    ['storage_full', 'server_error'],
  ])('answers %s to a client of OpenAI as %s', (code, type) => {
    expect(describeInDialect('openai', new RerankError(code, 'Why.'), 'r').body).toMatchObject({ error: { type } });
  });

  it('names the field at fault as OpenAI does', () => {
    const paramFor = (pointer: string) => {
      const error = new RerankError('invalid_request', 'Why.', { errors: [{ pointer, detail: 'x' }] });
      return describeInDialect('openai', error, 'r').body;
    };
    expect(paramFor('/stages/0/model')).toMatchObject({ error: { param: 'stages[0].model' } });
    expect(paramFor('/purpose')).toMatchObject({ error: { param: 'purpose' } });
    expect(paramFor('')).toMatchObject({ error: { param: null } });
  });

  it('knows empty input', () => {
    expect(tei(new EmptyInputError('/texts'))).toEqual([400, 'Empty']);
  });

  it('keeps the headers of a problem, but for its type', () => {
    const { headers } = describeInDialect('cohere', new RerankError('overloaded', 'Later.', { retryAfterS: 3 }), 'r-1');
    expect(headers).toMatchObject({ 'retry-after': '3', 'x-request-id': 'r-1', 'content-type': 'application/json; charset=utf-8' });
    expect(describeInDialect('voyage', new RerankError('unauthorized', 'No key.'), 'r').headers['www-authenticate']).toBe('Bearer');
  });

  it('speaks of the client’s own fields when a document is too long', () => {
    const error = new RerankError('pair_too_long', 'Send long_document "truncate".', {
      errors: [{ pointer: '/documents/3', detail: 'has more than 500 tokens' }],
    });
    expect(describeInDialect('tei', error, 'r').body).toMatchObject({
      error: '/texts/3: has more than 500 tokens. Shorten it, or send "truncate": true.',
    });
    expect(describeInDialect('voyage', error, 'r').body).toEqual({
      detail: '/documents/3: has more than 500 tokens. Shorten it, or send "truncation": true.',
    });
  });
});
