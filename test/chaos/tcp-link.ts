import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * What becomes of a line: `cut` resets all and lets nobody in; `blackhole` keeps everything back, as lost packets are sent again; `late` does so with the lines that are
 * there, while new ones work, so that later things come first; `slow` delays each packet.
 */
export type LinkState =
  { readonly kind: 'open' | 'cut' | 'blackhole' | 'late' | 'half-open' } | { readonly kind: 'slow'; readonly latencyMs: number };

interface Line {
  readonly near: Socket;
  far: Socket | undefined;
  /** Its other end has gone, and the process does not know. */
  deaf: boolean;
  /** What it does when it is no longer `late`. */
  held: (() => void)[] | undefined;
}

/** The way to a server: a TCP proxy on a port of its own that can be harmed. */
export class TcpLink {
  #state: LinkState = { kind: 'open' };
  readonly #lines = new Set<Line>();
  readonly #queue: { readonly work: () => void; readonly dueAt: number }[] = [];
  #pumping = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #server = createServer((near) => this.#accept(near));
  readonly #targetPort: () => number;

  private constructor(targetPort: () => number) {
    this.#targetPort = targetPort;
  }

  /** `targetPort` is asked at each new connection: a restarted server may have another. */
  static async start(targetPort: () => number): Promise<TcpLink> {
    const link = new TcpLink(targetPort);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** A line that `half-open` made deaf stays so: what the process sends on it later is answered by a reset, and silence by silence. */
  enter(state: LinkState): void {
    this.#state = state;
    for (const line of [...this.#lines]) this.#holdOrLetGo(line);
    if (state.kind === 'cut') for (const line of [...this.#lines]) this.#drop(line);
    if (state.kind === 'half-open') for (const line of this.#lines) this.#deafen(line);
    this.#pump();
  }

  async stop(): Promise<void> {
    this.enter({ kind: 'cut' });
    clearTimeout(this.#timer);
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(near: Socket): void {
    if (this.#state.kind === 'cut') {
      near.resetAndDestroy();
      return;
    }
    const line: Line = { near, far: undefined, deaf: false, held: undefined };
    this.#lines.add(line);
    near.setNoDelay(true).on('error', () => undefined);
    near.on('close', () => this.#pass(() => this.#leave(line), line));
    const early: Buffer[] = [];
    near.on('data', (chunk: Buffer) => {
      if (line.deaf) {
        if (this.#state.kind !== 'half-open') this.#drop(line);
      } else if (line.far === undefined) early.push(chunk);
      else this.#carry(chunk, line, () => line.far);
    });
    this.#pass(() => this.#open(line, early));
  }

  #open(line: Line, early: readonly Buffer[]): void {
    if (!this.#lines.has(line)) return;
    const far = connect(this.#targetPort(), '127.0.0.1').setNoDelay(true);
    line.far = far;
    for (const chunk of early) far.write(chunk);
    far.on('error', () => undefined);
    far.on('data', (chunk: Buffer) => this.#carry(chunk, line, () => (line.deaf ? undefined : line.near)));
    far.on('close', () => this.#pass(() => (line.deaf ? undefined : this.#drop(line)), line));
  }

  #carry(chunk: Buffer, line: Line, to: () => Socket | undefined): void {
    this.#pass(() => {
      const socket = to();
      if (socket?.writable === true) socket.write(chunk);
    }, line);
  }

  #holdOrLetGo(line: Line): void {
    const { held = [] } = line;
    line.held = this.#state.kind === 'late' ? held : undefined;
    if (line.held === undefined) for (const work of held) this.#pass(work);
  }

  /** Does it when the line lets it through; in order, also when a slow line becomes quick. */
  #pass(work: () => void, line?: Line): void {
    if (line?.held !== undefined) {
      line.held.push(work);
      return;
    }
    this.#queue.push({ work, dueAt: performance.now() + (this.#state.kind === 'slow' ? this.#state.latencyMs : 0) });
    this.#pump();
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    for (let next = this.#queue[0]; next !== undefined && this.#state.kind !== 'blackhole'; next = this.#queue[0]) {
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(waitMs));
        break;
      }
      this.#queue.shift();
      next.work();
    }
    this.#pumping = false;
  }

  #deafen(line: Line): void {
    line.deaf = true;
    line.far?.destroy();
  }

  /** The process has closed it: what was on its way comes to the server first. */
  #leave(line: Line): void {
    if (this.#lines.delete(line)) line.far?.end();
  }

  #drop(line: Line): void {
    if (!this.#lines.delete(line)) return;
    line.far?.destroy();
    line.near.resetAndDestroy();
  }
}
