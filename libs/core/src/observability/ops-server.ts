import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { isLoopback } from '../config/index.js';
import type { MetricSet } from './metrics/metric-set.js';
import type { MetricDefinitions } from './metrics/metric-definition.js';
import { CONTENT_TYPES, prefersOpenMetrics } from './metrics/open-metrics.js';

export interface OpsAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export type OpsRoute = (query: URLSearchParams, headers: IncomingHttpHeaders) => OpsAnswer | Promise<OpsAnswer>;

export interface OpsServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** By path, such as `/metrics`; each answers GET and HEAD. */
  readonly routes: Readonly<Record<string, OpsRoute>>;
  /** Called with what a route threw; the client reads a plain 500. */
  readonly onFault: (error: unknown) => void;
}

/** The address that was configured cannot be had; trying again does not help. */
export class OpsAddressError extends Error {
  override readonly name = 'OpsAddressError';
}

const ADDRESS_FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use. Stop what listens there, or set OPS_PORT (0 picks a free one).',
  EACCES: 'may not be opened by this user. Set OPS_PORT to 1024 or above.',
  EADDRNOTAVAIL: 'is no address of this machine. Set OPS_HOST to one that is.',
  ENOTFOUND: 'is no address of this machine. Set OPS_HOST to one that is.',
};

/** A small server of its own for probes and metrics: no load of the main port and no key stands in their way. */
export class OpsServer {
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** @throws OpsAddressError */
  static async listen(options: OpsServerOptions): Promise<OpsServer> {
    const { host, port, onFault } = options;
    const server = createServer((request, response) => void answer(request, response, options).catch(onFault));
    server.listen(port, host);
    try {
      await once(server, 'listening');
    } catch (error) {
      const fault = ADDRESS_FAULTS[(error as NodeJS.ErrnoException).code ?? ''];
      throw fault === undefined ? error : new OpsAddressError(`${host}:${port} ${fault}`);
    }
    // A server that only answers probes keeps no process alive that has ended otherwise.
    server.unref();
    return new OpsServer(server, `http://${isIPv6(host) ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`);
  }

  /** Cuts what is being answered. Calling it again changes nothing. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, { host, routes, onFault }: OpsServerOptions): Promise<void> {
  request.resume();
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://ops');
  const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined;
  let result: OpsAnswer;
  if (isLoopback(host) && !isLocal(request.headers.host)) result = text(403, 'Only requests to localhost are answered here.');
  else if (route === undefined) result = text(404, `There is no such route. There are ${Object.keys(routes).join(', ')}.`);
  else if (request.method !== 'GET' && request.method !== 'HEAD') result = text(405, 'This server takes GET.');
  else result = await attempt(() => route(searchParams, request.headers), onFault);
  const body = Buffer.from(result.body);
  response.writeHead(result.status, { 'content-type': result.contentType, 'content-length': body.length, 'cache-control': 'no-store' });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** A foreign page may have a browser send requests to a loopback port (DNS rebinding); they name the page's own host. */
function isLocal(host: string | undefined): boolean {
  const name = host === undefined ? undefined : URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$/g, '');
  return name !== undefined && isLoopback(name);
}

async function attempt(route: () => OpsAnswer | Promise<OpsAnswer>, onFault: (error: unknown) => void): Promise<OpsAnswer> {
  try {
    return await route();
  } catch (error) {
    onFault(error);
    return text(500, 'This could not be read; the log says why.');
  }
}

const text = (status: number, body: string): OpsAnswer => ({ status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` });

/** What a probe reads: 200 while `status` is `ok`, else 503. */
export function healthRoute(read: () => OpsHealth | Promise<OpsHealth>): OpsRoute {
  return async () => {
    const health = await read();
    return { status: health.status === 'ok' ? 200 : 503, contentType: 'application/json; charset=utf-8', body: JSON.stringify(health) };
  };
}

export interface OpsHealth {
  readonly status: 'ok' | 'error';
  readonly checks: Readonly<Record<string, { readonly status: 'ok' | 'error'; readonly detail?: string | undefined }>>;
}

/** In the format that the scraper asks for. */
export function metricsRoute<Definitions extends MetricDefinitions>(metrics: MetricSet<Definitions>): OpsRoute {
  return async (_query, { accept }) => {
    const format = prefersOpenMetrics(accept) ? 'openmetrics' : 'prometheus';
    return { status: 200, contentType: CONTENT_TYPES[format], body: await metrics.text(format) };
  };
}
