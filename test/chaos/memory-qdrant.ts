import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { ReplayCollections } from '../support/qdrant-replay-collections.ts';
import { TcpLink } from './tcp-link.ts';

/** A Qdrant that keeps collections in this process' memory, and the way of all processes of a stack to it, which can be harmed. */
export class MemoryQdrant {
  readonly link: TcpLink;
  readonly #server: Server;
  readonly #collections: ReplayCollections;

  private constructor(server: Server, collections: ReplayCollections, link: TcpLink) {
    this.#server = server;
    this.#collections = collections;
    this.link = link;
  }

  static async start(): Promise<MemoryQdrant> {
    const collections = new ReplayCollections();
    const server = createServer((request, response) => {
      answer(collections, request).then(
        ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
        // Its line broke, and nobody hears an answer.
        () => response.destroy(),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return new MemoryQdrant(server, collections, await TcpLink.start(() => port));
  }

  /** By the link. */
  get url(): string {
    return `http://127.0.0.1:${this.link.port}`;
  }

  collectionNames(): readonly string[] {
    return this.#collections.names();
  }

  async stop(): Promise<void> {
    await this.link.stop();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function answer(collections: ReplayCollections, request: IncomingMessage): Promise<ReturnType<ReplayCollections['answer']>> {
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  const body = hasBody ? await json(request) : null;
  const segments = request.url!.split('?')[0]!.split('/').slice(1).map(decodeURIComponent);
  return collections.answer(request.method!, segments, body);
}
