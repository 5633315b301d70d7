import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from './redis-address.js';

describe('parseRedisUrl', () => {
  it.each([
    ['redis://localhost', { kind: 'single', host: 'localhost', port: 6379, db: 0 }],
    ['redis://u:p%40ss@10.0.0.1:7000/3', { kind: 'single', host: '10.0.0.1', port: 7000, db: 3, username: 'u', password: 'p@ss' }],
    ['redis://:secret@[::1]:7000', { kind: 'single', host: '::1', port: 7000, db: 0, password: 'secret' }],
    ['unix:///run/redis.sock', { kind: 'socket', path: '/run/redis.sock', db: 0 }],
    ['unix:///run/redis.sock?db=2', { kind: 'socket', path: '/run/redis.sock', db: 2 }],
    [
      'rediss://u:p@host?ca=/etc/ca.pem&servername=redis.internal',
      {
        kind: 'single',
        host: 'host',
        port: 6379,
        db: 0,
        username: 'u',
        password: 'p',
        tls: { ca: '/etc/ca.pem', servername: 'redis.internal' },
      },
    ],
    ['rediss://host', { kind: 'single', host: 'host', port: 6379, db: 0, tls: {} }],
    [
      'redis+sentinel://u:p@s1,s2:26380/mymaster/1?sentinel_username=su&sentinel_password=sp',
      {
        kind: 'sentinel',
        sentinels: [
          { host: 's1', port: 26379 },
          { host: 's2', port: 26380 },
        ],
        master: 'mymaster',
        db: 1,
        username: 'u',
        password: 'p',
        sentinelUsername: 'su',
        sentinelPassword: 'sp',
      },
    ],
    [
      'rediss+cluster://:p@n1:7000,n2:7001',
      {
        kind: 'cluster',
        nodes: [
          { host: 'n1', port: 7000 },
          { host: 'n2', port: 7001 },
        ],
        password: 'p',
        tls: {},
      },
    ],
  ])('reads %s', (url, address) => {
    expect(parseRedisUrl(url)).toEqual(address);
  });

  it.each([
    'http://host',
    'redis://',
    'redis://a,b',
    'redis://host:0',
    'redis://host:70000',
    'redis://host/one',
    'redis://host/1/2',
    'redis://host?tls=1',
    'redis+sentinel://host:26379',
    'redis+cluster://host/1',
    'redis://%ff@host',
    'unix://',
    'unix+cluster:///x',
    'redis+other://host',
  ])('refuses %s, and repeats nothing of it', (url) => {
    let message = '';
    try {
      parseRedisUrl(url);
    } catch (error) {
      message = (error as RangeError).message;
    }
    expect(message).toMatch(/^(must|has|names)/);
    expect(message).not.toMatch(/%ff|tls=|70000|\/one/);
  });
});
