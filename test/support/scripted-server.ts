import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

/** A server on loopback that answers each request as a test says, the last way again and again. */
export class ScriptedServer {
  readonly requests: ReceivedRequest[] = [];
  connections = 0;
  answers: ((response: ServerResponse, request: ReceivedRequest) => void)[] = [];
  readonly #server: Server;

  private constructor(make: (listener: RequestListener) => Server) {
    this.#server = make((request, response) => void this.#receive(request, response));
    this.#server.on('connection', () => (this.connections += 1));
  }

  /** @param make a server of another kind, such as one of TLS */
  static async start(make: (listener: RequestListener) => Server = createServer): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(make);
    await new Promise<void>((resolve) => scripted.#server.listen(0, '127.0.0.1', resolve));
    return scripted;
  }

  get authority(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `http://${this.authority}`;
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as ReceivedRequest['body'];
    const received = { path: request.url ?? '', headers: request.headers, body };
    this.requests.push(received);
    this.answers[Math.min(this.requests.length, this.answers.length) - 1]?.(response, received);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const answering =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  (response: ServerResponse): void => {
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body));
  };
