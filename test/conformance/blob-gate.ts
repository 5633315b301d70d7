import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Stands before a server and can be closed, or cut its answers, as a network does. */
export class Gate {
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  #server: Server;
  #port = 0;
  #cuts = 0;
  #cutAfterBytes = 0;

  private constructor(target: URL) {
    this.#target = target;
    this.#server = this.#makeServer();
  }

  static async before(url: string): Promise<Gate> {
    const gate = new Gate(new URL(url));
    await gate.open();
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async open(): Promise<void> {
    if (this.#server.listening) return;
    this.#server = this.#makeServer().listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Connections break; new ones are refused. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** The next so many answers break off after so many bytes. */
  cutAnswers(count: number, afterBytes: number): void {
    this.#cuts = count;
    this.#cutAfterBytes = afterBytes;
  }

  #makeServer(): Server {
    return createServer((near) => {
      const far = connect(Number(this.#target.port), this.#target.hostname);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('close', () => this.#sockets.delete(socket));
        socket.on('error', () => undefined);
      }
      near.pipe(far);
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
      let passed = 0;
      near.on('data', () => (passed = 0));
      far.on('data', (bytes: Buffer) => {
        passed += bytes.length;
        if (this.#cuts > 0 && passed > this.#cutAfterBytes) {
          this.#cuts -= 1;
          near.end(bytes.subarray(0, this.#cutAfterBytes), () => near.destroy());
          far.destroy();
        } else if (!near.write(bytes)) {
          far.pause();
          near.once('drain', () => far.resume());
        }
      });
    });
  }
}
