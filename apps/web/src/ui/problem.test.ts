import { RerankApiError, RerankConnectionError, RerankTimeoutError } from '@rerank-fleet/client';
import { describe, expect, it } from 'vitest';
import { describeProblem } from './problem.js';

const apiError = (code: string, more: object = {}): RerankApiError =>
  new RerankApiError({ code, status: 400, detail: 'Detail.', requestId: 'r1', ...more });

describe(describeProblem, () => {
  it('tells a key that is missing from one that may not', () => {
    expect(describeProblem(apiError('unauthorized'))).toMatchObject({ kind: 'key', title: 'An API key is needed', detail: 'Detail.' });
    expect(describeProblem(apiError('forbidden'))).toMatchObject({ kind: 'scope', title: 'Your key may not do this' });
  });

  it('says when to try again', () => {
    expect(describeProblem(apiError('overloaded', { retryAfterS: 2.2 })).detail).toBe('Detail. Try again in 3 s.');
  });

  it('keeps the faults of the request and its id', () => {
    const errors = [{ pointer: '/top_n', detail: 'must be at least 1' }];
    expect(describeProblem(apiError('invalid_request', { errors }))).toMatchObject({
      faults: errors,
      requestId: 'r1',
      code: 'invalid_request',
    });
  });

  it('has words for a code that it does not know', () => {
    expect(describeProblem(apiError('of_tomorrow'))).toMatchObject({ kind: 'fault', title: 'The service refused' });
  });

  it('tells a service that is away from one that is slow', () => {
    expect(describeProblem(new RerankConnectionError('http://x', new TypeError('fetch failed'))).detail).toContain(
      'nothing answers at http://x',
    );
    expect(describeProblem(new RerankTimeoutError(5_000))).toMatchObject({ kind: 'away', detail: 'No answer within 5,000 ms.' });
  });

  it('shows the message of what the page itself refuses', () => {
    expect(describeProblem(new Error('Type a query.'))).toEqual({ kind: 'fault', title: 'Type a query.', detail: '', faults: [] });
    expect(describeProblem('?').title).toBe('An unknown fault.');
  });
});
