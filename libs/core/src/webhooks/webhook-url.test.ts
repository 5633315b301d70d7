import { describe, expect, it } from 'vitest';
import { RerankError } from '../errors/index.js';
import { assertWebhookUrl } from './webhook-url.js';
import type { WebhookTargets } from './webhook-targets.js';

function faultOf(url: string, targets?: WebhookTargets): string | undefined {
  try {
    assertWebhookUrl(url, targets);
    return undefined;
  } catch (error) {
    if (!(error instanceof RerankError)) throw error;
    expect(error).toMatchObject({ code: 'invalid_request', detail: `/webhook/url: ${error.errors[0]?.detail ?? ''}.` });
    expect(error.errors).toEqual([{ pointer: '/webhook/url', detail: expect.any(String) as string }]);
    return error.errors[0]?.detail;
  }
}

describe('assertWebhookUrl', () => {
  it.each([
    'https://example.com/hook',
    'http://example.com:8080/hook?a=b',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]:8443/',
    'https://ex-ämple.com',
  ])('takes %s', (url) => {
    expect(faultOf(url)).toBeUndefined();
  });

  it('answers with the normal form', () => {
    expect(assertWebhookUrl(' HTTPS://Example.COM:443/a/../hook ').href).toBe('https://example.com/hook');
  });

  it.each(['', 'example.com/hook', '/hook', 'https://', 'http://[::1', 'https://exa mple.com'])(
    'says of %j that it is no absolute URL',
    (url) => {
      expect(faultOf(url)).toMatch(/^must be an absolute URL/);
    },
  );

  it.each(['ftp://example.com/', 'file:///etc/passwd', 'javascript:alert(1)', 'unix:/var/run/docker.sock', 'data:,x'])(
    'refuses the scheme of %s',
    (url) => {
      expect(faultOf(url)).toMatch(/^must start with https/);
    },
  );

  it.each(['https://user@example.com/', 'https://:pass@example.com/', 'https://8.8.8.8@127.0.0.1/'])('refuses credentials in %s', (url) => {
    expect(faultOf(url)).toMatch(/^must not hold a user name/);
  });

  it.each([0, 22, 25, 81, 1_023])('refuses port %d', (port) => {
    expect(faultOf(`https://example.com:${port}/`)).toMatch(/^must use port/);
  });

  it('refuses a URL of more than 2,048 characters', () => {
    expect(faultOf(`https://example.com/${'a'.repeat(2_048)}`)).toMatch(/2,048/);
  });

  it.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://１２７.0.0.1/',
    'http://127.0.0.1./',
    'http://0/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[64:ff9b::10.0.0.1]/',
    'http://[2002:7f00:1::]/',
    'http://[fe80::1]/',
    'http://[fd00:ec2::254]/',
  ])('refuses the address of %s', (url) => {
    expect(faultOf(url)).toMatch(/^must not be a private or reserved address/);
  });

  it.each([
    'http://localhost/',
    'http://LOCALHOST./',
    'http://api.localhost/',
    'http://metadata.google.internal/',
    'http://redis/',
    'http://redis.default.svc/',
    'http://redis.default.svc.cluster.local./',
    'http://printer.home.arpa/',
    'http://１２７.localhost/',
  ])('refuses the internal name of %s', (url) => {
    expect(faultOf(url)).toMatch(/^must not be an internal host name/);
  });

  it('takes internal names and private addresses in development, and reserved addresses never', () => {
    const urls = ['http://localhost:3000/', 'http://127.0.0.1:3000/', 'http://receiver/', 'http://[::1]:3000/', 'http://169.254.169.254/'];
    expect(urls.filter((url) => faultOf(url, { allowPrivate: true }) === undefined)).toEqual(urls.slice(0, 4));
  });

  it('takes addresses of the ranges that the operator names, and names that may lead there', () => {
    const urls = ['http://receiver.internal/', 'http://10.1.2.3/', 'http://10.2.0.1/', 'http://127.0.0.1/'];
    expect(urls.filter((url) => faultOf(url, { allowedCidrs: ['10.1.0.0/16'] }) === undefined)).toEqual(urls.slice(0, 2));
  });
});
