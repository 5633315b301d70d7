import { isIPv4, isIPv6 } from 'node:net';

/** Four bytes of IPv4 or sixteen of IPv6. */
export type AddressBytes = readonly number[];

/** A range of addresses: those that share the first `bits` bits. */
export interface Cidr {
  readonly bytes: AddressBytes;
  readonly bits: number;
}

/** IPv4 inside IPv6: mapped by a socket, or by a NAT64 gateway, which is how an IPv6-only network names every IPv4 host. */
const CARRIES_IPV4 = [literalCidr('::ffff:0:0/96'), literalCidr('64:ff9b::/96')];

/** The bytes of an address; those of the IPv4 address where IPv6 only carries one. A zone (`%eth0`) is left out. `undefined` for anything else. */
export function parseAddress(text: string): AddressBytes | undefined {
  const bytes = parseBytes(text);
  if (bytes === undefined || !CARRIES_IPV4.some((range) => contains(range, bytes))) return bytes;
  return bytes.slice(12);
}

/** `address/bits`, or one address alone. `undefined` for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const bytes = parseBytes(address);
  if (bytes === undefined || rest.length > 0) return undefined;
  if (bits === undefined) return { bytes, bits: bytes.length * 8 };
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > bytes.length * 8) return undefined;
  return { bytes, bits: Number(bits) };
}

/** A range that the source names. */
export function literalCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new RangeError(`${text} is no range of addresses.`);
  return cidr;
}

export function contains({ bytes: first, bits }: Cidr, bytes: AddressBytes): boolean {
  if (first.length !== bytes.length) return false;
  const whole = bits >> 3;
  if (first.slice(0, whole).some((byte, index) => byte !== bytes[index])) return false;
  const shift = 8 - (bits & 7);
  return shift === 8 || first[whole]! >> shift === bytes[whole]! >> shift;
}

function parseBytes(text: string): AddressBytes | undefined {
  if (isIPv4(text)) return text.split('.').map(Number);
  const address = text.replace(/%.*$/s, '');
  return isIPv6(address) ? ipv6Bytes(address) : undefined;
}

function ipv6Bytes(address: string): AddressBytes {
  const [head = '', tail] = address.split('::');
  const front = groupBytes(head);
  if (tail === undefined) return front;
  const back = groupBytes(tail);
  return [...front, ...Array.from({ length: 16 - front.length - back.length }, () => 0), ...back];
}

/** The last group of an IPv6 address may be a dotted IPv4 address. */
function groupBytes(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
