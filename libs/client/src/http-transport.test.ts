import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { HttpTransport } from './http-transport.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('takes a stream on which nothing comes for a minute for dead, and not one whose reader is slow', async () => {
  let sender!: ReadableStreamDefaultController<Uint8Array>;
  const fetch = (_: unknown, { signal }: RequestInit = {}): Promise<Response> => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        sender = controller;
        signal?.addEventListener('abort', () => controller.error(signal.reason));
      },
    });
    return Promise.resolve(new Response(body));
  };
  const transport = new HttpTransport({
    baseUrl: 'http://host',
    apiKey: undefined,
    fetch,
    timeoutMs: 1_000,
    retries: 0,
    onRetry: undefined,
  });
  const bytes = await transport.stream({ path: '/x' }, new AbortController().signal);
  const first = bytes.next();
  await vi.advanceTimersByTimeAsync(59_000);
  sender.enqueue(new Uint8Array([1]));
  expect((await first).value).toEqual(new Uint8Array([1]));
  await vi.advanceTimersByTimeAsync(600_000);
  sender.enqueue(new Uint8Array([2]));
  expect((await bytes.next()).value).toEqual(new Uint8Array([2]));
  const dead = bytes.next().catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await dead).toMatchObject({ name: 'RerankConnectionError', systemCode: 'ETIMEDOUT' });
});
