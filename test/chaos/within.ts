import { setTimeout as sleep } from 'node:timers/promises';

/** What `work` resolves to; rejects when it has not ended after `mostMs` milliseconds, and says what never did: a run always comes to its end. */
export async function within<T>(what: string, mostMs: number, work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = sleep(mostMs, undefined, { signal: ended.signal }).then((): never => {
    throw new Error(`${what} did not end in ${mostMs} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}
