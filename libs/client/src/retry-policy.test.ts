import { describe, expect, it } from 'vitest';
import { RerankApiError, RerankConnectionError, RerankTimeoutError } from './client-errors.js';
import { retryDelayMs, type RetryCase } from './retry-policy.js';

const answer = (status: number, retryAfterS?: number) => new RerankApiError({ code: 'x', status, detail: 'd', retryAfterS });
const broken = (code: string) => new RerankConnectionError('http://host', Object.assign(new Error('broken'), { code }));
const delay = (overrides: Partial<RetryCase>) =>
  retryDelayMs({
    error: answer(503),
    retried: 0,
    retries: 2,
    idempotent: true,
    replayable: true,
    remainingMs: 60_000,
    random: 0,
    ...overrides,
  });

describe('retryDelayMs', () => {
  it.each([429, 503])('waits as long as a %d says, whatever the request', (status) => {
    expect(delay({ error: answer(status, 3), idempotent: false })).toBe(3_000);
  });

  it('backs off at least a little where Retry-After is 0', () => {
    expect(delay({ error: answer(429, 0) })).toBe(100);
  });

  it.each([502, 503])('repeats an idempotent request after a %d without Retry-After', (status) => {
    expect(delay({ error: answer(status) })).toBe(100);
    expect(delay({ error: answer(status), retried: 1 })).toBe(200);
    expect(delay({ error: answer(status), idempotent: false })).toBeUndefined();
  });

  it.each([400, 404, 409, 500, 504, 507])('gives up after a %d', (status) => {
    expect(delay({ error: answer(status, 1) })).toBeUndefined();
  });

  it('gives up after a 429 that says no time', () => {
    expect(delay({ error: answer(429) })).toBeUndefined();
  });

  it('repeats an idempotent request over a broken connection, and not over a refused one', () => {
    expect(delay({ error: broken('ECONNRESET') })).toBe(100);
    expect(delay({ error: broken('ECONNRESET'), idempotent: false })).toBeUndefined();
    expect(delay({ error: broken('ECONNREFUSED') })).toBeUndefined();
  });

  it('never repeats what the caller or the deadline ended', () => {
    expect(delay({ error: new RerankTimeoutError(5) })).toBeUndefined();
    expect(delay({ error: new DOMException('stop', 'AbortError') })).toBeUndefined();
  });

  it('never waits to the deadline or past it', () => {
    expect(delay({ error: answer(503, 3), remainingMs: 3_000 })).toBeUndefined();
    expect(delay({ error: answer(503, 3), remainingMs: 3_001 })).toBe(3_000);
  });

  it('stops after the last retry', () => {
    expect(delay({ retried: 2 })).toBeUndefined();
    expect(delay({ retries: 0 })).toBeUndefined();
  });

  it('never repeats a body that is gone', () => {
    expect(delay({ error: answer(503, 1), replayable: false })).toBeUndefined();
  });
});
