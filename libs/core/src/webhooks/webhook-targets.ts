import { contains, literalCidr, parseAddress, parseCidr, type AddressBytes } from './ip-address.js';

/** Which addresses a webhook may go to beyond public ones. */
export interface WebhookTargets {
  /** Loopback and private networks too: for development. Never link-local, metadata or otherwise reserved addresses. */
  readonly allowPrivate?: boolean;
  /** Ranges that are allowed whatever they are, as `10.1.0.0/16`. */
  readonly allowedCidrs?: readonly string[];
}

/** `private`: on this machine or its networks. `reserved`: no webhook has business there. */
export type AddressKind = 'public' | 'private' | 'reserved';

/** IANA's special-purpose registries (RFC 6890 and its updates), and where clouds keep their metadata and agents. */
const RESERVED = [
  '0.0.0.0/8',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  'fd00:ec2::/32',
].map(literalCidr);

const PRIVATE = ['10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '::1/128', 'fc00::/7'].map(literalCidr);

/** All of IPv6 that is routed; whatever else there is, tunnels and future blocks included, is not public. */
const ROUTED_IPV6 = literalCidr('2000::/3');

/** What kind of address a text names; IPv4 carried in IPv6 is judged as IPv4. What is no address is `reserved`. */
export function addressKind(address: string): AddressKind {
  const bytes = parseAddress(address);
  if (bytes === undefined || RESERVED.some((range) => contains(range, bytes))) return 'reserved';
  if (PRIVATE.some((range) => contains(range, bytes))) return 'private';
  return bytes.length === 4 || contains(ROUTED_IPV6, bytes) ? 'public' : 'reserved';
}

export function mayReach(address: string, targets: WebhookTargets): boolean {
  const kind = addressKind(address);
  if (kind === 'public' || (kind === 'private' && targets.allowPrivate === true)) return true;
  const bytes = parseAddress(address);
  return bytes !== undefined && (targets.allowedCidrs ?? []).some((text) => inRange(text, bytes));
}

/** Whether some address that is not public may be reached, so that internal names make sense. */
export function reachesInside(targets: WebhookTargets): boolean {
  return targets.allowPrivate === true || (targets.allowedCidrs ?? []).length > 0;
}

function inRange(text: string, bytes: AddressBytes): boolean {
  const range = parseCidr(text);
  return range !== undefined && contains(range, bytes);
}
