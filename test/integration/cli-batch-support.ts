import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobResultLine } from '@rerank-fleet/client';
import { startTestStack, type TestStack } from '../support/stack.js';
import { writeTinyModel } from '../support/tiny-models/index.js';

/** What becomes of an answer to a request of this method and path: cut or held back once so many bytes of one have passed. */
export interface AnswerFault {
  readonly on: RegExp;
  readonly bytes: number;
  readonly then: 'cut' | 'hold';
}

/** Stands between the command and the service, and does harm to answers: each fault to one. */
export class FaultyProxy {
  readonly faults: AnswerFault[] = [];
  /** Method and path of each request. */
  readonly seen: string[] = [];
  url = '';
  readonly #target: URL;
  readonly #server = createServer((incoming, outgoing) => this.#pass(incoming, outgoing));

  constructor(target: string) {
    this.#target = new URL(target);
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = '', url: path = '' } = incoming;
    this.seen.push(`${method} ${path}`);
    const headers = { ...incoming.headers, host: this.#target.host, 'accept-encoding': 'identity' };
    const call = request({ host: this.#target.hostname, port: this.#target.port, method, path, headers });
    call.on('error', () => outgoing.destroy());
    call.on('response', (answer) => this.#answer(`${method} ${path}`, answer, outgoing));
    incoming.pipe(call);
    outgoing.on('close', () => call.destroy());
  }

  #answer(line: string, answer: IncomingMessage, outgoing: ServerResponse): void {
    const at = this.faults.findIndex(({ on }) => on.test(line));
    const fault = at < 0 ? undefined : this.faults.splice(at, 1)[0];
    if (fault?.bytes === 0) {
      if (fault.then === 'cut') outgoing.destroy();
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
    let passed = 0;
    answer.on('data', (chunk: Buffer) => {
      const left = (fault?.bytes ?? Infinity) - passed;
      passed += chunk.length;
      if (left > 0) outgoing.write(chunk.subarray(0, Math.min(left, chunk.length)));
      if (passed >= (fault?.bytes ?? Infinity) && fault?.then === 'cut') outgoing.socket?.end();
    });
    answer.on('end', () => {
      if (fault === undefined) outgoing.end();
    });
    answer.on('error', () => outgoing.destroy());
  }
}

/** The whole stack on tiny models. */
export async function startTinyStack(): Promise<TestStack & { readonly remove: () => Promise<void> }> {
  const models = await mkdtemp(join(tmpdir(), 'rerank-models-'));
  const [reranker, embedder] = [join(models, 'tiny-reranker'), join(models, 'tiny-embedder')];
  await writeTinyModel(reranker, { kind: 'cross-encoder', layout: 'bert' });
  await writeTinyModel(embedder, { kind: 'embedder', layout: 'bert' });
  const stack = await startTestStack({ environment: { RERANK_MODELS: reranker, EMBEDDING_MODEL: embedder } });
  return {
    ...stack,
    remove: async () => {
      await stack.stop();
      await rm(models, { recursive: true });
    },
  };
}

export type OwnLine = Omit<JobResultLine, 'cursor'>;

export async function linesOf(path: string): Promise<OwnLine[]> {
  return parseLines(await readFile(path, 'utf8'));
}

export function parseLines(text: string): OwnLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as OwnLine);
}

export const ndjson = (rows: readonly unknown[]): string =>
  rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('');

export const rerankRow = (number: number): object => ({
  custom_id: `r${number}`,
  query: 'prune apple tree',
  documents: [`prune apple tree ${number}`, 'bake apple pie'],
});

export const rerankRows = (count: number): object[] => Array.from({ length: count }, (_, at) => rerankRow(at + 1));

export async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
