import { describe, expect, it } from 'vitest';
import { errorOfAnswer, RerankConnectionError, retryAfterSeconds } from './client-errors.js';

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  errorOfAnswer({ status, headers: new Headers(headers) }, typeof body === 'string' ? body : JSON.stringify(body));

describe('errorOfAnswer', () => {
  it('reads a problem with its faults, request id and Retry-After', () => {
    const problem = { code: 'overloaded', detail: 'Too much.', instance: 'req-1', errors: [{ pointer: '/query', detail: 'long' }] };
    expect(answer(429, problem, { 'retry-after': '7' })).toMatchObject({
      code: 'overloaded',
      status: 429,
      detail: 'Too much.',
      requestId: 'req-1',
      retryAfterS: 7,
      errors: problem.errors,
    });
  });

  it('reads the dialects that say message or error', () => {
    expect(answer(400, { message: 'no query' }).detail).toBe('no query');
    expect(answer(422, { error: 'too long', error_type: 'Validation' }).detail).toBe('too long');
  });

  it('reads the dialect of OpenAI, which gateways speak too', () => {
    const error = { message: 'No such file.', type: 'invalid_request_error', param: null, code: 'file_not_found' };
    expect(answer(404, { error })).toMatchObject({ code: 'file_not_found', detail: 'No such file.' });
    expect(answer(502, { error: { message: 'Upstream is gone.', code: 502 } })).toMatchObject({
      code: 'http_502',
      detail: 'Upstream is gone.',
    });
  });

  it('keeps a code that this version does not know', () => {
    expect(answer(418, { code: 'teapot', detail: 'short' }).code).toBe('teapot');
  });

  it('names what a proxy answers by its status', () => {
    expect(answer(502, '<html>bad gateway</html>')).toMatchObject({ code: 'http_502', detail: expect.stringContaining('502') as string });
    expect(answer(429, '').code).toBe('overloaded');
    expect(answer(404, '').code).toBe('http_404');
  });

  it('survives a body of other types', () => {
    expect(answer(500, { code: 5, detail: ['x'], errors: 'none' })).toMatchObject({ code: 'http_500', errors: [] });
  });
});

describe('retryAfterSeconds', () => {
  it('reads seconds and dates', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(retryAfterSeconds('12', now)).toBe(12);
    expect(retryAfterSeconds('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30);
    expect(retryAfterSeconds('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
    expect(retryAfterSeconds('soon', now)).toBeUndefined();
    expect(retryAfterSeconds(null, now)).toBeUndefined();
  });
});

describe('RerankConnectionError', () => {
  it('says how to start the service when nothing answers', () => {
    const refused = new TypeError('fetch failed', { cause: new AggregateError([Object.assign(new Error(), { code: 'ECONNREFUSED' })]) });
    const error = new RerankConnectionError('http://127.0.0.1:8080', refused);
    expect(error.message).toBe('nothing answers at http://127.0.0.1:8080: start it with `npm start` or `rerank up`');
    expect(error.refused).toBe(true);
  });

  it('tells an unknown host and a broken connection apart', () => {
    const because = (code: string) =>
      new RerankConnectionError('http://host', new TypeError('fetch failed', { cause: Object.assign(new Error(), { code }) })).message;
    expect(because('ENOTFOUND')).toContain('cannot be found');
    expect(because('ECONNRESET')).toContain('broke (ECONNRESET)');
  });
});
