import { RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';
import { answerBy, readBy } from './answer-by.js';

const inMs = (ms: number): number => performance.now() + ms;
const waiting = () => ({ signal: new AbortController().signal, tenant: 'acme' });

describe('answerBy', () => {
  it('gives what the work gives, under the context of the call', async () => {
    await expect(answerBy(inMs(60_000), waiting(), async ({ tenant }) => tenant)).resolves.toBe('acme');
  });

  it('lets work that is a little late say itself what became of it', async () => {
    const known = new RerankError('model_unavailable', 'No worker of the pool is running.');
    await expect(answerBy(inMs(1), waiting(), () => Promise.reject(known))).rejects.toBe(known);
  });

  it('waits for no work that hangs, and tells it to begin nothing more', async () => {
    let signal: AbortSignal | undefined;
    const hanging = answerBy(inMs(1), waiting(), (within) => {
      signal = within.signal;
      return new Promise<never>(() => undefined);
    });
    await expect(hanging).rejects.toMatchObject({ code: 'queue_unavailable', retryAfterS: 2 });
    expect(signal?.aborted).toBe(true);
  });

  it('leaves no rejection uncaught that comes after the answer', async () => {
    const uncaught: unknown[] = [];
    const note = (reason: unknown): void => void uncaught.push(reason);
    process.on('unhandledRejection', note);
    const { promise, reject } = Promise.withResolvers<never>();
    await expect(answerBy(inMs(1), waiting(), () => promise)).rejects.toMatchObject({ code: 'queue_unavailable', retryAfterS: 2 });
    reject(new Error('late'));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(uncaught).toEqual([]);
  });

  it('ends the work of a client that left', async () => {
    const left = new AbortController();
    const work = answerBy(
      inMs(60_000),
      { signal: left.signal },
      ({ signal }) => new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    );
    left.abort(new Error('gone'));
    await expect(work).rejects.toThrow('gone');
  });
});

describe('readBy', () => {
  it('gives what was read, and what the read throws', async () => {
    await expect(readBy(inMs(60_000), Promise.resolve('corpus'))).resolves.toBe('corpus');
    await expect(readBy(inMs(60_000), Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  });

  it('waits for no store that hangs', async () => {
    const hanging = new Promise<never>(() => undefined);
    await expect(readBy(inMs(1), hanging)).rejects.toMatchObject({ code: 'candidate_store_unavailable', retryAfterS: 2 });
  });
});
