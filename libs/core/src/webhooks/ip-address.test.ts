import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, literalCidr, parseAddress, parseCidr } from './ip-address.js';

/** Addresses whose first bytes are often those of a special range, so that ranges are hit. */
const ipv4 = fc
  .tuple(fc.constantFrom(10, 100, 127, 169, 172, 192, 198, 8), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((bytes) => bytes.join('.'));

describe('parseAddress', () => {
  it.each([
    ['192.168.1.2', [192, 168, 1, 2]],
    ['::1', [...Array<number>(15).fill(0), 1]],
    ['::', Array<number>(16).fill(0)],
    ['2001:db8::ff00:42:8329', [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0x42, 0x83, 0x29]],
    ['1:2:3:4:5:6:1.2.3.4', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 1, 2, 3, 4]],
    ['fe80::1%eth0', [0xfe, 0x80, ...Array<number>(13).fill(0), 1]],
  ])('reads %s', (text, bytes) => {
    expect(parseAddress(text)).toEqual(bytes);
  });

  it('sees the IPv4 address that IPv6 carries, in either spelling', () => {
    fc.assert(
      fc.property(ipv4, fc.constantFrom('::ffff:', '64:ff9b::'), (address, prefix) => {
        const [a, b, c, d] = parseAddress(address) as [number, number, number, number];
        const hex = `${prefix}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        expect(parseAddress(prefix + address)).toEqual([a, b, c, d]);
        expect(parseAddress(hex)).toEqual([a, b, c, d]);
      }),
    );
  });

  it.each(['', 'localhost', '1.2.3', '1.2.3.4.5', '010.0.0.1', '0x7f.1', '2130706433', ':::', '[::1]', '1.2.3.4/8'])(
    'takes %j for no address',
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
    },
  );
});

describe('contains', () => {
  it('agrees with Node’s own block list on IPv4', () => {
    fc.assert(
      fc.property(ipv4, ipv4, fc.nat(32), (first, address, bits) => {
        const list = new BlockList();
        list.addSubnet(first, bits, 'ipv4');
        expect(contains(literalCidr(`${first}/${bits}`), parseAddress(address)!)).toBe(list.check(address, 'ipv4'));
      }),
    );
  });

  it('agrees with Node’s own block list on IPv6', () => {
    const ipv6 = fc.ipV6().filter((text) => parseAddress(text)?.length === 16);
    fc.assert(
      fc.property(ipv6, ipv6, fc.nat(128), (first, other, bits) => {
        const list = new BlockList();
        list.addSubnet(first, bits, 'ipv6');
        for (const address of [first, other])
          expect(contains(literalCidr(`${first}/${bits}`), parseAddress(address)!)).toBe(list.check(address, 'ipv6'));
      }),
    );
  });

  it('keeps the two families apart', () => {
    expect(contains(literalCidr('0.0.0.0/0'), parseAddress('2001:4860::1')!)).toBe(false);
    expect(contains(literalCidr('::/0'), parseAddress('8.8.8.8')!)).toBe(false);
  });
});

describe('parseCidr', () => {
  it('takes one address alone for a range of one', () => {
    expect(parseCidr('10.0.0.1')).toEqual({ bytes: [10, 0, 0, 1], bits: 32 });
  });

  it.each(['', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0/8', 'example.com/8'])('refuses %j', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });
});
