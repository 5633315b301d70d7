import { isLoopback } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import type { IncomingHttpHeaders } from 'node:http';

/** Name in a `Host` header or an origin's authority; undefined if it is none. */
function hostNameOf(authority: string): string | undefined {
  const name = URL.parse(`http://${authority}`)?.hostname;
  return name?.replace(/^\[|\]$/g, '');
}

/**
 * Refuses a request that a foreign web page had a browser send to a server without keys (DNS rebinding, cross-site requests): the
 * socket is local then, but `Host` or `Origin` name the page's own site.
 *
 * @throws RerankError `forbidden`
 */
export function assertLoopbackRequest({ host, origin }: Pick<IncomingHttpHeaders, 'host' | 'origin'>): void {
  const name = host === undefined ? undefined : hostNameOf(host);
  if (name === undefined || !isLoopback(name)) {
    throw new RerankError('forbidden', 'Without API_KEYS only requests to localhost are answered; the Host header names another host.');
  }
  if (origin === undefined) return;
  const source = URL.parse(origin)?.hostname.replace(/^\[|\]$/g, '');
  if (source === undefined || !isLoopback(source)) {
    throw new RerankError('forbidden', 'Without API_KEYS only pages from localhost may call; the Origin header names another site.');
  }
}
