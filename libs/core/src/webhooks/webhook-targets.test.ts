import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressKind, mayReach, type AddressKind } from './webhook-targets.js';

/** From the registries, written here apart from the table under test: first and last address of each range. */
const RANGES: readonly (readonly [AddressKind, string, string])[] = [
  ['reserved', '0.0.0.0', '0.255.255.255'],
  ['private', '10.0.0.0', '10.255.255.255'],
  ['private', '100.64.0.0', '100.100.100.199'],
  ['private', '127.0.0.0', '127.255.255.255'],
  ['reserved', '169.254.0.0', '169.254.255.255'],
  ['private', '172.16.0.0', '172.31.255.255'],
  ['reserved', '192.0.0.0', '192.0.0.255'],
  ['reserved', '192.0.2.0', '192.0.2.255'],
  ['private', '192.168.0.0', '192.168.255.255'],
  ['reserved', '198.18.0.0', '198.19.255.255'],
  ['reserved', '198.51.100.0', '198.51.100.255'],
  ['reserved', '203.0.113.0', '203.0.113.255'],
  ['reserved', '224.0.0.0', '255.255.255.255'],
  ['public', '1.0.0.0', '9.255.255.255'],
  ['public', '11.0.0.0', '100.63.255.255'],
  ['public', '128.0.0.0', '168.63.129.15'],
  ['public', '172.32.0.0', '191.255.255.255'],
  ['public', '203.0.114.0', '223.255.255.255'],
];

const numberOf = (address: string): number => address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
const addressOf = (value: number): string => [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
const hexOf = (value: number): string => [16, 0].map((shift) => (Math.floor(value / 2 ** shift) % 65_536).toString(16)).join(':');
const within = ([, first, last]: (typeof RANGES)[number]) => fc.integer({ min: numberOf(first), max: numberOf(last) });

describe('addressKind', () => {
  it.each(RANGES)('calls all of %s what it is: %s to %s, also as IPv6 carries it', (...range) => {
    fc.assert(
      fc.property(within(range), (value) => {
        const spellings = [addressOf(value), `::ffff:${addressOf(value)}`, `::ffff:${hexOf(value)}`, `64:ff9b::${hexOf(value)}`];
        expect(spellings.map(addressKind)).toEqual(spellings.map(() => range[0]));
      }),
    );
    for (const end of range.slice(1)) expect(addressKind(end)).toBe(range[0]);
  });

  it.each<[AddressKind, string, string]>([
    ['private', '::1', 'loopback'],
    ['private', 'fd12:3456::1', 'a unique local address'],
    ['reserved', '::', 'the unspecified address'],
    ['reserved', '::7f00:1', 'IPv4-compatible loopback'],
    ['reserved', 'fe80::1%eth0', 'link-local'],
    ['reserved', 'fec0::1', 'site-local'],
    ['reserved', 'ff02::1', 'multicast'],
    ['reserved', '2002:7f00:1::', '6to4'],
    ['reserved', '2001:0:4136:e378::1', 'Teredo'],
    ['reserved', '2001:db8::1', 'documentation'],
    ['reserved', '3fff::1', 'documentation'],
    ['reserved', '64:ff9b:1::7f00:1', 'NAT64 of a network of its own'],
    ['reserved', '100::1', 'discard only'],
    ['reserved', '5f00::1', 'segment routing'],
    ['reserved', 'fd00:ec2::254', 'metadata of a cloud'],
    ['reserved', '100.100.100.200', 'metadata of a cloud'],
    ['reserved', '168.63.129.16', 'the agent of a cloud'],
    ['reserved', 'example.com', 'no address'],
    ['public', '2606:4700::1111', 'routed'],
    ['public', '2a00:1450:4001::200e', 'routed'],
  ])('calls %s %s: %s', (kind, address) => {
    expect(addressKind(address)).toBe(kind);
  });

  it('calls no IPv6 address public outside of the routed block', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const first = Number.parseInt(address.startsWith(':') ? '0' : address, 16);
        fc.pre(first < 0x2000 || first > 0x3fff);
        fc.pre(!/^(0*64:0*ff9b:|::|0+:)/i.test(address));
        expect(addressKind(address)).not.toBe('public');
      }),
    );
  });
});

describe('mayReach', () => {
  const MIXED = ['8.8.8.8', '127.0.0.1', '10.1.2.3', '::1', '169.254.169.254', '::ffff:169.254.169.254', 'fd00:ec2::254', '0.0.0.0'];

  it('reaches public addresses alone unless told otherwise', () => {
    expect(MIXED.filter((address) => mayReach(address, {}))).toEqual(['8.8.8.8']);
  });

  it('reaches private addresses too where they are allowed, never reserved ones', () => {
    expect(MIXED.filter((address) => mayReach(address, { allowPrivate: true }))).toEqual(['8.8.8.8', '127.0.0.1', '10.1.2.3', '::1']);
  });

  it('reaches whatever is in a range that the operator names', () => {
    expect(MIXED.filter((address) => mayReach(address, { allowedCidrs: ['10.1.0.0/16', '::1'] }))).toEqual(['8.8.8.8', '10.1.2.3', '::1']);
  });
});
