import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LagWatch } from './lag-watch.ts';

const LATE_MS = 300;

let server: Server;
let watch: LagWatch;
let answers: number;
let lateMs: number;

beforeEach(async () => {
  answers = 0;
  lateMs = 0;
  server = createServer((_, response) => {
    setTimeout(() => {
      response.end('{}');
      answers += 1;
    }, lateMs);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  watch = new LagWatch(() => `http://127.0.0.1:${port}`);
});
afterEach(async () => {
  await watch.stop();
  server.closeAllConnections();
  server.close();
});

const answered = (more: number): Promise<void> => {
  const from = answers;
  return expect.poll(() => answers, { interval: 5, timeout: 20_000 }).toBeGreaterThanOrEqual(from + more);
};

it('tells how late answers were around a moment, and since it', async () => {
  await answered(2);
  const before = performance.now();
  lateMs = LATE_MS;
  await answered(2);
  lateMs = 0;
  await answered(3);
  const after = performance.now();
  await answered(2);
  await sleep(5);
  expect(watch.around(before)).toBeGreaterThanOrEqual(LATE_MS - 5);
  expect(watch.since(before)).toBeGreaterThanOrEqual(LATE_MS - 5);
  expect(watch.around(after)).toBeLessThan(watch.around(before));
  expect(watch.around(performance.now() + 100_000)).toBe(0);
  expect(watch.since(after)).toBeLessThan(watch.since(before));
});
