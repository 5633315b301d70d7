import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RerankApiError, RerankConnectionError } from './client-errors.js';
import { resumed } from './resumed-stream.js';

const broken = (code: string): RerankConnectionError =>
  new RerankConnectionError('http://host', Object.assign(new Error('broken'), { code }));
const answer = (status: number, retryAfterS?: number): RerankApiError =>
  new RerankApiError({ code: 'x', status, detail: 'd', retryAfterS });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Each reading gives its numbers, then throws its error if it has one. */
async function read(readings: readonly (readonly [connects: boolean, items: readonly number[], error?: Error])[], outageMs = 10_000) {
  const items: number[] = [];
  const waits: number[] = [];
  let opened = 0;
  const open = async function* (connected: () => void): AsyncGenerator<number> {
    const [connects, numbers, error] = readings[Math.min(opened, readings.length - 1)]!;
    opened += 1;
    if (connects) connected();
    yield* numbers;
    if (error !== undefined) throw error;
  };
  const options = {
    signal: new AbortController().signal,
    outageMs,
    onRetry: ({ delayMs }: { delayMs: number }) => void waits.push(delayMs),
  };
  const reading = (async () => {
    for await (const item of resumed(open, options)) items.push(item);
  })();
  const failure = reading.then(
    () => undefined,
    (error: unknown) => error,
  );
  await vi.runAllTimersAsync();
  return { items, waits, opened, failure: await failure };
}

describe('resumed', () => {
  it('reads on where a stream was cut or the service was away, to the end', async () => {
    const { items, failure } = await read([
      [true, [1, 2], broken('ECONNRESET')],
      [false, [], broken('ECONNREFUSED')],
      [false, [], answer(503)],
      [true, [3]],
    ]);
    expect([items, failure]).toEqual([[1, 2, 3], undefined]);
  });

  it('says at once that nobody was ever there, and what no waiting mends', async () => {
    expect(await read([[false, [], broken('ECONNREFUSED')]])).toMatchObject({ opened: 1, failure: { systemCode: 'ECONNREFUSED' } });
    expect(await read([[true, [1], answer(404)]])).toMatchObject({ opened: 1, failure: { status: 404 } });
  });

  it('gives up once the service was away for too long, counted from when it was there last', async () => {
    const { waits, failure } = await read([
      [true, [1], broken('ECONNRESET')],
      [false, [], broken('ECONNREFUSED')],
    ]);
    expect(failure).toMatchObject({ systemCode: 'ECONNREFUSED' });
    const waited = waits.reduce((sum, wait) => sum + wait, 0);
    expect(waited).toBeGreaterThan(4_000);
    expect(waited).toBeLessThanOrEqual(10_000);
  });

  it('outlasts any number of cuts as long as the service answers between them', async () => {
    const cut = [true, [], broken('ETIMEDOUT')] as const;
    const { opened, failure } = await read([...Array.from({ length: 50 }, () => cut), [true, [1]]], 6_000);
    expect([opened, failure]).toEqual([51, undefined]);
  });

  it('waits as long as the service asks', async () => {
    expect(
      (
        await read([
          [true, [1], answer(429, 9)],
          [true, [2]],
        ])
      ).waits,
    ).toEqual([9_000]);
  });
});
