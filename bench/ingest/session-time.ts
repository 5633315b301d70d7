import { createServer } from 'node:net';
import { once } from 'node:events';

const ATTEMPTS = 50;

/** A port that is free with the one after it: API and worker get them for their metrics. */
export async function findOpsPort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = 20_000 + Math.floor(Math.random() * 30_000);
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
  throw new Error('No two ports in a row are free.');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)]);
  server.listen(port, '127.0.0.1');
  const free = await listening;
  if (free) await new Promise((closed) => server.close(closed));
  return free;
}

/** Milliseconds that the worker's sessions have run a model, all sessions together. */
export async function sessionMs(opsPort: number, model: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${opsPort + 1}/metrics`);
  const text = await response.text();
  const line = text.split('\n').find((it) => it.startsWith('rerank_fleet_model_run_seconds_sum{') && it.includes(`model="${model}"`));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1)) * 1_000;
}
