import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** How the hub answers one request of a file. */
export type FileFault = 'server-error' | 'cut-in-half' | 'no-ranges' | 'corrupt';

export interface HubRequest {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Plays the hub on a loopback port: the API of one repository, its files with ranges, and faults, each used up by one request. */
export class HubServer {
  readonly requests: HubRequest[] = [];
  /** Path of a file → faults of its next answers. */
  readonly faults = new Map<string, FileFault[]>();
  token: string | undefined;
  commit = 'c0ffee'.padEnd(40, '0');
  private readonly server: Server;

  constructor(
    readonly repo: string,
    readonly files: Map<string, Buffer>,
  ) {
    this.server = createServer((request, response) => {
      this.answer(request, response);
    });
  }

  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '/', 'http://hub');
    const { range, authorization } = request.headers;
    this.requests.push({ path: pathname, range, authorization });
    if (this.token !== undefined && authorization !== `Bearer ${this.token}`) {
      response.writeHead(401).end();
      return;
    }
    if (pathname === `/api/models/${this.repo}/revision/main`) this.json(response, { sha: this.commit });
    else if (pathname === `/api/models/${this.repo}/tree/${this.commit}`) this.json(response, this.tree());
    else if (pathname.startsWith(`/${this.repo}/resolve/${this.commit}/`)) {
      this.sendFile(pathname.slice(`/${this.repo}/resolve/${this.commit}/`.length), range, response);
    } else response.writeHead(404).end();
  }

  private json(response: ServerResponse, body: unknown): void {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  }

  /** Large files are kept by LFS with their sha256, small ones by git with its own hash, as on the hub. */
  private tree(): unknown[] {
    return [...this.files].map(([path, content]) => {
      const sha256 = createHash('sha256').update(content).digest('hex');
      const oid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
      const entry = { type: 'file', path, size: content.length, oid };
      return path.endsWith('.onnx') ? { ...entry, lfs: { oid: sha256, size: content.length, pointerSize: 130 } } : entry;
    });
  }

  private sendFile(path: string, range: string | undefined, response: ServerResponse): void {
    const stored = this.files.get(path);
    const fault = this.faults.get(path)?.shift();
    if (stored === undefined || fault === 'server-error') {
      response.writeHead(stored === undefined ? 404 : 500).end();
      return;
    }
    const content = fault === 'corrupt' ? Buffer.alloc(stored.length, 'x') : stored;
    const from = fault === 'no-ranges' ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const body = content.subarray(from);
    const headers = {
      'content-length': body.length,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
    };
    response.writeHead(from > 0 ? 206 : 200, headers);
    if (fault === 'cut-in-half') response.write(body.subarray(0, body.length / 2), () => response.destroy());
    else response.end(body);
  }
}
