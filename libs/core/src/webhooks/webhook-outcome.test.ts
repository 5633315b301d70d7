import { describe, expect, it } from 'vitest';
import { assertDelivered, outcomeOfAnswer, outcomeOfFault, WEBHOOK_BACKOFF, WEBHOOK_RETRIES } from './webhook-outcome.js';

const NOW = Date.parse('2026-11-20T12:00:00Z');
const outcomeOf = (status: number, retryAfter?: string) => outcomeOfAnswer({ status, retryAfter, location: undefined }, NOW);

describe('outcomeOfAnswer', () => {
  it.each([200, 201, 202, 204, 299])('takes %d for delivered', (status) => {
    expect(outcomeOf(status)).toEqual({ kind: 'delivered', status });
  });

  it.each([408, 409, 425, 429, 500, 502, 503, 504, 599])('tries again after %d', (status) => {
    expect(outcomeOf(status)).toEqual({ kind: 'retry', status, reason: `answered ${status}` });
  });

  it.each([300, 303, 304, 400, 401, 403, 404, 410, 413, 422])('gives up after %d', (status) => {
    expect(outcomeOf(status)).toEqual({ kind: 'refused', status, reason: `answered ${status}` });
  });

  it.each([
    ['120', 120],
    ['0', 0],
    ['86400', 3_600],
    ['Fri, 20 Nov 2026 12:01:30 GMT', 90],
    ['Fri, 20 Nov 2026 11:00:00 GMT', 0],
    ['Sat, 20 Nov 2027 12:00:00 GMT', 3_600],
  ])('waits at most an hour where Retry-After is %s', (retryAfter, retryAfterS) => {
    expect(outcomeOf(503, retryAfter)).toMatchObject({ kind: 'retry', retryAfterS });
  });

  it.each(['soon', '', '-5x'])('does not mind a Retry-After of %j', (retryAfter) => {
    expect(outcomeOf(503, retryAfter)).not.toHaveProperty('retryAfterS');
  });
});

describe('outcomeOfFault', () => {
  it.each([
    ['ENOTFOUND', /name server/],
    ['ECONNREFUSED', /refused a connection/],
    ['ECONNRESET', /cut off/],
    ['HPE_INVALID_CONSTANT', /not HTTP/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /certificate/],
    ['CERT_HAS_EXPIRED', /certificate/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /certificate/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /TLS/],
    ['EHOSTUNREACH', /could not be connected/],
  ])('tells %s without the address that its message holds', (code, reason) => {
    const outcome = outcomeOfFault(Object.assign(new Error('connect 10.20.30.40:8080'), { code }));
    expect(outcome).toEqual({ kind: 'retry', reason: expect.stringMatching(reason) as string });
    expect(JSON.stringify(outcome)).not.toContain('10.20');
  });

  it('tries again after a fault that nobody foresaw', () => {
    expect(outcomeOfFault('odd')).toMatchObject({ kind: 'retry' });
  });
});

describe('assertDelivered', () => {
  it('throws what the queue retries, with the wait that the receiver asked for', () => {
    expect(() => assertDelivered(outcomeOf(429, '30'))).toThrow(
      expect.objectContaining({ code: 'webhook_failed', retryAfterS: 30, detail: 'The webhook answered 429.' }),
    );
  });

  it('throws what the queue gives up where the receiver does not want it', () => {
    expect(() => assertDelivered(outcomeOf(410))).toThrow(expect.objectContaining({ code: 'webhook_refused' }));
  });

  it('lets pass what was delivered', () => {
    expect(() => assertDelivered(outcomeOf(204))).not.toThrow();
  });
});

describe('WEBHOOK_RETRIES', () => {
  it('are spread over about a day', () => {
    const waits = Array.from({ length: WEBHOOK_RETRIES }, (_, index) =>
      Math.min(WEBHOOK_BACKOFF.firstMs * 2 ** index, WEBHOOK_BACKOFF.lastMs),
    );
    expect(waits.reduce((sum, ms) => sum + ms, 0) / 3_600_000).toBeCloseTo(24.4, 1);
  });
});
