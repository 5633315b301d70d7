import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile, writeFile } from 'node:fs/promises';

interface Exchange {
  readonly path: string;
  readonly body: unknown;
  readonly status: number;
  readonly answer: unknown;
}

export interface ExchangeServer {
  readonly url: string;
  /** Requests that nothing was recorded for. */
  readonly unknown: readonly string[];
  close(): Promise<void>;
}

/** Hands POSTs on to a server, and writes down what was said when it is closed, in the order of paths and bodies. */
export async function recordExchanges(upstream: string, file: string): Promise<ExchangeServer> {
  const exchanges = new Map<string, Exchange>();
  const server = await listen(async (path, body) => {
    const response = await fetch(`${upstream}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = withoutTimes(await response.json());
    exchanges.set(keyOf(path, body), { path, body, status: response.status, answer });
    return { status: response.status, answer };
  });
  return {
    url: urlOf(server),
    unknown: [],
    close: async () => {
      await stop(server);
      const sorted = [...exchanges].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, exchange]) => JSON.stringify(exchange));
      await writeFile(file, `${sorted.join('\n')}\n`);
    },
  };
}

/** Answers a request as the recorded server answered the same one, byte for byte in its body; any other is an error. */
export async function replayExchanges(file: string): Promise<ExchangeServer> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const recorded = lines.map((line) => JSON.parse(line) as Exchange);
  const exchanges = new Map(recorded.map((exchange) => [keyOf(exchange.path, exchange.body), exchange]));
  const unknown: string[] = [];
  const server = await listen((path, body) => {
    const key = keyOf(path, body);
    const exchange = exchanges.get(key);
    if (exchange === undefined) unknown.push(key);
    return Promise.resolve(exchange ?? { status: 501, answer: { error: { type: 'not_recorded', reason: key } } });
  });
  return { url: urlOf(server), unknown, close: () => stop(server) };
}

type Answer = (path: string, body: unknown) => Promise<{ readonly status: number; readonly answer: unknown }>;

async function listen(answer: Answer): Promise<Server> {
  const server = createServer((request, response) => {
    void bodyOf(request)
      .then((body) => answer(request.url ?? '', body))
      .then(({ status, answer: json }) =>
        response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(json)),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
}

const keyOf = (path: string, body: unknown): string => `${path} ${JSON.stringify(body)}`;
const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** What differs from run to run, and says nothing. */
function withoutTimes(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(withoutTimes);
  if (typeof answer !== 'object' || answer === null) return answer;
  const kept = Object.entries(answer).filter(([key]) => key !== 'took' && key !== 'node' && key !== 'index_uuid');
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutTimes(value)]));
}
