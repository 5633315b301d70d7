import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { recordedExchanges } from './qdrant-replay-recording.js';
import { RecordedShapes } from './qdrant-replay-shapes.js';
import { ReplayCollections, type Reply } from './qdrant-replay-collections.js';

/**
 * What becomes of a request instead of an answer by the collections. `hang`: nothing is done, and nobody answers. `unanswered`: it is done, and the line breaks before
 * the answer. `late`: the line breaks, and it is done by `doHeld`, whatever other lines brought before.
 */
export type Intercepted = Reply | 'hang' | 'unanswered' | 'late' | undefined;

export interface ReplayServer {
  readonly url: string;
  /** What the recording never had in a request that was sent here; such a request is answered with 400. */
  readonly objections: readonly string[];
  /** Answers requests that it returns something for, instead of the collections. While its promise waits, the request does: others may come between. */
  intercept?: ((method: string, path: string, body: unknown) => Intercepted | Promise<Intercepted>) | undefined;
  /** Does what came `late`, in its order. */
  doHeld(): void;
  close(): Promise<void>;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? null : JSON.parse(Buffer.concat(chunks).toString());
}

/** A server over the recording: takes only requests of recorded shapes, and answers from memory as the real one did. */
export async function startReplayServer(): Promise<ReplayServer> {
  const shapes = new RecordedShapes(recordedExchanges());
  const collections = new ReplayCollections();
  const objections: string[] = [];
  const held: (() => void)[] = [];
  const replyTo = async (request: IncomingMessage): Promise<Reply | 'hang' | 'break'> => {
    const [method, path] = [request.method!, request.url!];
    const body = await bodyOf(request);
    const fate = await server.intercept?.(method, path, body);
    if (fate === 'hang' || typeof fate === 'object') return fate;
    const objection = shapes.objection({ method, path, body });
    if (objection !== undefined) {
      objections.push(objection);
      return { status: 400, body: { status: { error: objection } } };
    }
    const answer = (): Reply => collections.answer(method, path.split('?')[0]!.split('/').slice(1).map(decodeURIComponent), body);
    if (fate === 'late') held.push(answer);
    if (fate === 'unanswered') answer();
    return fate === undefined ? answer() : 'break';
  };
  const http = createServer((request, response) => {
    void replyTo(request).then((reply) => {
      if (reply === 'break') response.destroy();
      else if (reply !== 'hang') response.writeHead(reply.status, { 'content-type': 'application/json' }).end(JSON.stringify(reply.body));
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server: ReplayServer = {
    url: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`,
    objections,
    doHeld: () => {
      for (const answer of held.splice(0)) answer();
    },
    close: async () => {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
  return server;
}
