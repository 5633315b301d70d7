import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { recordedExchanges } from './qdrant-replay-recording.js';
import { RecordedShapes } from './qdrant-replay-shapes.js';
import { ReplayCollections, type Reply } from './qdrant-replay-collections.js';

export type Intercepted = Reply | 'hang' | undefined;

export interface ReplayServer {
  readonly url: string;
  /** What the recording never had in a request that was sent here; such a request is answered with 400. */
  readonly objections: readonly string[];
  /** Answers requests that it returns something for, instead of the collections. While its promise waits, the request does: others may come between. */
  intercept?: ((method: string, path: string, body: unknown) => Intercepted | Promise<Intercepted>) | undefined;
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
  const replyTo = async (request: IncomingMessage): Promise<Reply | 'hang'> => {
    const [method, path] = [request.method!, request.url!];
    const body = await bodyOf(request);
    const intercepted = await server.intercept?.(method, path, body);
    if (intercepted !== undefined) return intercepted;
    const objection = shapes.objection({ method, path, body });
    if (objection !== undefined) {
      objections.push(objection);
      return { status: 400, body: { status: { error: objection } } };
    }
    return collections.answer(method, path.split('?')[0]!.split('/').slice(1).map(decodeURIComponent), body);
  };
  const http = createServer((request, response) => {
    void replyTo(request).then((reply) => {
      if (reply === 'hang') return;
      response.writeHead(reply.status, { 'content-type': 'application/json' }).end(JSON.stringify(reply.body));
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server: ReplayServer = {
    url: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`,
    objections,
    close: async () => {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
  return server;
}
