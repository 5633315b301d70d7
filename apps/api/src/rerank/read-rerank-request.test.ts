import { describe, expect, it } from 'vitest';
import { readRerankRequest } from './read-rerank-request.js';

const BODY = { query: 'q', documents: ['a'] };

describe('readRerankRequest', () => {
  it('names fields that it ignores, safe for a header', () => {
    const { request, ignored } = readRerankRequest({ ...BODY, rank_fields: ['x'], 'a\r\nb': 1, ü: 2 }, 10);
    expect(ignored).toEqual(['rank_fields', 'a%0D%0Ab', '%C3%BC']);
    expect(request).toEqual(BODY);
  });

  it('takes null for a field that is left out, and does not name it', () => {
    expect(readRerankRequest({ ...BODY, model: null, top_n: null, rank_fields: null }, 10)).toEqual({ request: BODY, ignored: [] });
  });

  it('bounds the documents before it looks at them', () => {
    expect(() => readRerankRequest({ query: '', documents: Array.from({ length: 11 }, () => 5) }, 10)).toThrow(
      expect.objectContaining({ code: 'too_many_documents' }) as Error,
    );
  });

  it.each([undefined, null, 5, 'text', []])('refuses a body that is no object: %j', (body) => {
    expect(() => readRerankRequest(body, 10)).toThrow(expect.objectContaining({ code: 'invalid_request' }) as Error);
  });
});
