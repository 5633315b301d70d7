import { describe, expect, it } from 'vitest';
import { RerankApiError, RerankConnectionError } from './client-errors.js';
import { pollUntil } from './job-wait.js';

const answer = (status: number): RerankApiError => new RerankApiError({ code: `http_${status}`, status, detail: 'No.' });

/** What the reads come to, one after the other; errors are thrown. */
function reads(...outcomes: readonly unknown[]): () => Promise<unknown> {
  const left = [...outcomes];
  return async () => {
    const next = left.shift();
    if (next instanceof Error) throw next;
    return next;
  };
}

const isDone = (state: unknown): boolean => state === 'done';

describe('pollUntil', () => {
  it.each([
    ['a broken connection', new RerankConnectionError('http://a', undefined)],
    ['a proxy whose service restarts', answer(502)],
    ['a service that is away', answer(503)],
    ['a proxy that got no answer', answer(504)],
    ['a service that has too much to do', answer(429)],
  ])('outlasts %s', async (_, error) => {
    expect(await pollUntil(reads('running', error, 'done'), isDone, {})).toBe('done');
  });

  it.each([404, 401, 500])('ends with what will not pass: %i', async (status) => {
    await expect(pollUntil(reads('running', answer(status), 'done'), isDone, {})).rejects.toMatchObject({ status });
  });
});
