import { isIP } from 'node:net';
import { RerankError } from '../errors/index.js';
import { mayReach, reachesInside, type WebhookTargets } from './webhook-targets.js';

const LONGEST_URL = 2_048;
/** Endings that no public name server answers for (RFC 6761, 6762, 8375, 9476), and those that networks use inside. */
const INTERNAL_ENDINGS = new Set(
  'localhost localdomain local internal intranet private corp home lan svc arpa test invalid onion alt'.split(' '),
);

/** The host as the resolver takes it: an address without brackets, a name without its trailing dots. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.+$/, '');
}

/** Why no webhook may be sent to this URL, as far as it can be told without asking a name server; `undefined` if it may. */
export function faultOfWebhookUrl(url: URL | null, targets: WebhookTargets): string | undefined {
  if (url === null) return 'must be an absolute URL, such as https://example.com/hook';
  if (url.href.length > LONGEST_URL) return 'must have at most 2,048 characters';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must start with https:// or http://';
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password; check X-Signature instead';
  const port = url.port === '' ? undefined : Number(url.port);
  if (port !== undefined && port < 1_024 && port !== 80 && port !== 443) return 'must use port 80, 443 or one from 1024 up';
  return faultOfHost(hostOf(url), targets);
}

/**
 * Checks a webhook's URL when it is submitted. Whether its name leads to a private address is seen only when it is called.
 *
 * @returns the URL in its normal form
 * @throws RerankError `invalid_request` with a pointer to `/webhook/url`
 */
export function assertWebhookUrl(text: string, targets: WebhookTargets = {}): URL {
  const url = URL.parse(text);
  const fault = faultOfWebhookUrl(url, targets);
  if (url !== null && fault === undefined) return url;
  const detail = fault ?? 'is not valid';
  throw new RerankError('invalid_request', `/webhook/url: ${detail}.`, { errors: [{ pointer: '/webhook/url', detail }] });
}

function faultOfHost(host: string, targets: WebhookTargets): string | undefined {
  if (isIP(host) !== 0) {
    if (mayReach(host, targets)) return undefined;
    return 'must not be a private or reserved address; give one that the internet reaches, or ask the operator (WEBHOOK_ALLOWED_CIDRS)';
  }
  const labels = host.split('.');
  if (reachesInside(targets) || (labels.length > 1 && !INTERNAL_ENDINGS.has(labels.at(-1) ?? ''))) return undefined;
  return 'must not be an internal host name; give one that the internet knows, or ask the operator (WEBHOOK_ALLOWED_CIDRS)';
}
