import { once } from 'node:events';
import { createServer } from 'node:net';

const ATTEMPTS = 50;

/** The first of some free ports in a row: API and workers get them for their metrics, in this order. */
export async function findOpsPorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = 20_000 + Math.floor(Math.random() * 30_000);
    const free = await Promise.all(Array.from({ length: count }, (_, at) => isFree(port + at)));
    if (free.every(Boolean)) return port;
  }
  throw new Error(`No ${count} ports in a row are free.`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)]);
  server.listen(port, '127.0.0.1');
  const free = await listening;
  if (free) await new Promise((closed) => server.close(closed));
  return free;
}
