import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { verifyWebhook } from '@rerank-fleet/client';
import {
  byNameServers,
  WebhookSender,
  type WebhookDelivery,
  type WebhookOutcome,
  type WebhookSenderOptions,
} from '@rerank-fleet/core/webhooks';
import { afterEach, describe, expect, it } from 'vitest';
import {
  startNameServer,
  startReceiver,
  startTcpServer,
  type Answer,
  type NameServer,
  type Receiver,
  type ReceiverOptions,
} from './webhook-servers.js';

const run = promisify(execFile);

const SECRET = 'whsec_0123456789abcdef';
const BODY = JSON.stringify({ id: 'job_1', status: 'completed', metadata: { note: 'größer' } });
const HOST = 'hooks.example.com';
/** Stands for the internet: the one address that senders of these tests may reach. */
const OUTSIDE = '127.0.0.1';
/** Stands for the inside. Linux answers on all of 127.0.0.0/8. */
const INSIDE = '127.0.0.2';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function receive(answer: Answer, options?: ReceiverOptions): Promise<Receiver> {
  const receiver = await startReceiver(answer, options);
  stops.push(receiver.stop);
  return receiver;
}

async function listenRaw(...parameters: Parameters<typeof startTcpServer>): Promise<number> {
  const server = await startTcpServer(...parameters);
  stops.push(server.stop);
  return server.port;
}

async function serveNames(...parameters: Parameters<typeof startNameServer>): Promise<NameServer> {
  const server = await startNameServer(...parameters);
  stops.push(() => server.stop());
  return server;
}

const ok: Answer = (response) => response.writeHead(204).end();
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end();

function sender(options: Partial<WebhookSenderOptions> = {}): WebhookSender {
  return new WebhookSender({ targets: { allowedCidrs: [OUTSIDE] }, timeoutMs: 30_000, version: '1.2.3', ...options });
}

const deliver = (
  url: string,
  options: Partial<WebhookSenderOptions> = {},
  delivery: Partial<WebhookDelivery> = {},
): Promise<WebhookOutcome> => sender(options).deliver({ url, secret: SECRET, body: BODY, id: 'job_1', ...delivery });

const resolvingTo =
  (...addresses: string[]) =>
  async (): Promise<string[]> =>
    addresses;

describe('a webhook', () => {
  it('arrives with the body as it is, the job’s id and a signature that the client library verifies', async () => {
    const receiver = await receive(ok);
    expect(await deliver(`http://${OUTSIDE}:${receiver.port}/hook?x=1`)).toEqual({ kind: 'delivered', status: 204 });
    expect(receiver.received).toHaveLength(1);
    const { method, path, headers, body } = receiver.received[0]!;
    expect([method, path, body]).toEqual(['POST', '/hook?x=1', BODY]);
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-webhook-id': 'job_1', 'user-agent': 'rerank-fleet/1.2.3' });
    expect(await verifyWebhook(SECRET, body, String(headers['x-signature']))).toBe(true);
    expect(await verifyWebhook('another secret', body, String(headers['x-signature']))).toBe(false);
  });

  it('has no signature where there is no secret', async () => {
    const receiver = await receive(ok);
    await deliver(`http://${OUTSIDE}:${receiver.port}/`, {}, { secret: undefined });
    expect(receiver.received[0]?.headers).not.toHaveProperty('x-signature');
  });

  it('is tried again later where the receiver is busy, as late as it asks', async () => {
    const receiver = await receive(status(503, { 'Retry-After': '90' }));
    expect(await deliver(`http://${OUTSIDE}:${receiver.port}/`)).toEqual({
      kind: 'retry',
      status: 503,
      reason: 'answered 503',
      retryAfterS: 90,
    });
  });

  it('is given up where the receiver does not want it', async () => {
    const receiver = await receive(status(410));
    expect(await deliver(`http://${OUTSIDE}:${receiver.port}/`)).toEqual({ kind: 'refused', status: 410, reason: 'answered 410' });
  });

  it('ends with the reason of who called it off', async () => {
    const receiver = await receive(() => abort.abort(new Error('the worker stops')));
    const abort = new AbortController();
    await expect(deliver(`http://${OUTSIDE}:${receiver.port}/`, {}, { signal: abort.signal })).rejects.toThrow('the worker stops');
    await expect(deliver(`http://${OUTSIDE}:${receiver.port}/`, {}, { signal: abort.signal })).rejects.toThrow('the worker stops');
  });
});

describe('a redirect', () => {
  it.each([301, 302, 307, 308])('of %d is followed with the same body and signature', async (code) => {
    const receiver = await receive((response, { path }) =>
      (path === '/old' ? status(code, { Location: '/new' }) : ok)(response, receiver.received[0]!),
    );
    expect(await deliver(`http://${OUTSIDE}:${receiver.port}/old`)).toMatchObject({ kind: 'delivered' });
    const [first, second] = receiver.received;
    expect(second).toMatchObject({ method: 'POST', path: '/new', body: BODY });
    expect(second?.headers['x-signature']).toBe(first?.headers['x-signature']);
  });

  it('is followed three times and no more', async () => {
    const receiver = await receive((response, { path }) => status(307, { Location: `${path ?? ''}x` })(response, receiver.received[0]!));
    expect(await deliver(`http://${OUTSIDE}:${receiver.port}/`)).toEqual({ kind: 'refused', reason: 'was redirected more than 3 times' });
    expect(receiver.received.map(({ path }) => path)).toEqual(['/', '/x', '/xx', '/xxx']);
  });

  it('to another port or host is not followed: the body is for the one that was registered', async () => {
    const other = await receive(ok);
    for (const to of [`http://${OUTSIDE}:${other.port}/`, `http://localhost:${other.port}/`, `//${HOST}/`]) {
      const receiver = await receive(status(307, { Location: to }));
      expect(await deliver(`http://${OUTSIDE}:${receiver.port}/`)).toMatchObject({
        kind: 'refused',
        reason: expect.stringMatching(/another host or port/) as string,
      });
    }
    expect(other.received).toEqual([]);
  });

  it('to a private address is not followed', async () => {
    const inside = await receive(ok, { host: INSIDE });
    for (const to of [
      `http://${INSIDE}:${inside.port}/`,
      'http://169.254.169.254/latest/meta-data/',
      'file:///etc/passwd',
      'http://[::1]/',
    ]) {
      const receiver = await receive(status(302, { Location: to }));
      expect(await deliver(`http://${OUTSIDE}:${receiver.port}/`)).toMatchObject({ kind: 'refused' });
    }
    expect(inside.received).toEqual([]);
  });

  it('without a place to go to is given up', async () => {
    const receiver = await receive(status(302));
    expect(await deliver(`http://${OUTSIDE}:${receiver.port}/`)).toMatchObject({
      kind: 'refused',
      reason: 'answered 302 without a place to go to',
    });
  });

  it('is given up where the name leads inside by then', async () => {
    const receiver = await receive(status(307, { Location: '/next' }));
    const inside = await receive(ok, { host: INSIDE, port: receiver.port });
    const names = await serveNames((_name, question) => [question === 1 ? OUTSIDE : INSIDE]);
    const outcome = await deliver(`http://${HOST}:${receiver.port}/`, { resolve: byNameServers([names.address]) });
    expect(outcome).toEqual({ kind: 'refused', reason: 'resolves to a private address' });
    expect([receiver.received.length, inside.received.length, names.asked.length]).toEqual([1, 0, 2]);
  });
});

describe('the address of a webhook', () => {
  it('is asked for once, so that a changed answer leads nowhere else', async () => {
    const outside = await receive(ok);
    const inside = await receive(ok, { host: INSIDE, port: outside.port });
    const names = await serveNames((_name, question) => [question % 2 === 1 ? OUTSIDE : INSIDE]);
    const options = { resolve: byNameServers([names.address]) };
    expect(await deliver(`http://${HOST}:${outside.port}/`, options)).toMatchObject({ kind: 'delivered' });
    expect(await deliver(`http://${HOST}:${outside.port}/`, options)).toEqual({ kind: 'refused', reason: 'resolves to a private address' });
    expect(names.asked).toEqual([HOST, HOST]);
    expect([outside.received.length, inside.received.length]).toEqual([1, 0]);
    expect(outside.received[0]?.headers.host).toBe(`${HOST}:${outside.port}`);
  });

  it('is refused where one of many is private, whatever its place', async () => {
    const receiver = await receive(ok);
    for (const addresses of [
      [OUTSIDE, INSIDE],
      [INSIDE, OUTSIDE],
      [OUTSIDE, '::ffff:10.0.0.1'],
      [OUTSIDE, '2002:7f00:1::'],
    ]) {
      const outcome = await deliver(`http://${HOST}:${receiver.port}/`, { resolve: resolvingTo(...addresses) });
      expect(outcome).toEqual({ kind: 'refused', reason: 'resolves to a private address' });
    }
    expect(receiver.received).toEqual([]);
  });

  it('is refused at the call too where it stands in the URL', async () => {
    const receiver = await receive(ok);
    const hosts = [OUTSIDE, '2130706433', '[::ffff:127.0.0.1]', 'localhost'];
    for (const host of hosts) {
      expect(await deliver(`http://${host}:${receiver.port}/`, { targets: {} })).toMatchObject({ kind: 'refused' });
    }
    expect(receiver.received).toEqual([]);
  });

  it('may be a name of this machine in development', async () => {
    const receiver = await receive(ok);
    expect(await deliver(`http://localhost:${receiver.port}/`, { targets: { allowPrivate: true } })).toMatchObject({ kind: 'delivered' });
  });

  it('may be IPv6', async (context) => {
    const receiver = await receive(ok, { host: '::1' }).catch(() => undefined);
    context.skip(receiver === undefined, 'this machine has no IPv6 loopback');
    const url = `http://[::1]:${receiver!.port}/`;
    expect(await deliver(url)).toMatchObject({ kind: 'refused' });
    expect(await deliver(url, { targets: { allowPrivate: true } })).toMatchObject({ kind: 'delivered' });
    const named = { targets: { allowedCidrs: ['::1'] }, resolve: resolvingTo('::1') };
    expect(await deliver(`http://${HOST}:${receiver!.port}/`, named)).toMatchObject({ kind: 'delivered' });
  });

  it('is tried next where one of several does not answer', async () => {
    const receiver = await receive(ok);
    const options = { targets: { allowedCidrs: ['127.0.0.0/8'] }, resolve: resolvingTo('127.0.0.9', OUTSIDE) };
    expect(await deliver(`http://${HOST}:${receiver.port}/`, options)).toMatchObject({ kind: 'delivered' });
  });

  it('is asked for again later where no name server knows it', async () => {
    for (const addresses of [undefined, []]) {
      const names = await serveNames(() => addresses);
      const outcome = await deliver(`http://${HOST}/`, { resolve: byNameServers([names.address]) });
      expect(outcome).toEqual({ kind: 'retry', reason: 'has a host name that no name server gives an address for' });
    }
  });
});

describe('a receiver that does harm', () => {
  const LATE = { kind: 'retry', reason: 'gave no answer within 0.3 s' };

  it('cannot hold the sender by a head that never ends', async () => {
    const port = await listenRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const drip = setInterval(() => socket.write('X-Drip: 1\r\n'), 50);
      socket.on('close', () => clearInterval(drip));
    });
    expect(await deliver(`http://${OUTSIDE}:${port}/`, { timeoutMs: 300 })).toEqual(LATE);
  });

  it('cannot hold the sender by saying nothing, nor can its name server', async () => {
    const port = await listenRaw(() => undefined);
    expect(await deliver(`http://${OUTSIDE}:${port}/`, { timeoutMs: 300 })).toEqual(LATE);
    expect(await deliver(`http://${HOST}/`, { timeoutMs: 300, resolve: () => new Promise(() => undefined) })).toEqual(LATE);
    const silent = await serveNames(() => undefined);
    silent.stop();
    stops.pop();
    expect(await deliver(`http://${HOST}/`, { timeoutMs: 300, resolve: byNameServers([silent.address]) })).toMatchObject({ kind: 'retry' });
  });

  it('cannot hold the sender by an offer of another protocol', async () => {
    const port = await listenRaw((socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    });
    expect(await deliver(`http://${OUTSIDE}:${port}/`)).toEqual({ kind: 'refused', reason: 'answered 101', status: 101 });
  });

  it('has answered with its head: a body that never ends changes nothing', async () => {
    const port = await listenRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
      const drip = setInterval(() => socket.write('x'), 50);
      socket.on('close', () => clearInterval(drip));
    });
    expect(await deliver(`http://${OUTSIDE}:${port}/`)).toEqual({ kind: 'delivered', status: 200 });
  });

  it('is read a few kilobytes far', async () => {
    const closed = Promise.withResolvers<undefined>();
    let megabytes = 0;
    const receiver = await receive((response) => {
      const megabyte = Buffer.alloc(1_048_576);
      response.on('close', () => closed.resolve(undefined));
      const more = (): void => {
        do megabytes += 1;
        while (!response.destroyed && response.write(megabyte));
      };
      response.on('drain', more);
      more();
    });
    expect(await deliver(`http://${OUTSIDE}:${receiver.port}/`)).toEqual({ kind: 'delivered', status: 200 });
    await closed.promise;
    // What the buffers of two sockets may hold.
    expect(megabytes).toBeLessThan(32);
  });

  it('is told by what went wrong, never by an address', async () => {
    const garbage = await listenRaw((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    const large = await listenRaw((socket) => socket.write(`HTTP/1.1 200 OK\r\nX-Large: ${'x'.repeat(100_000)}\r\n\r\n`));
    const hangUp = await listenRaw((socket) => socket.once('data', () => socket.destroy()));
    const closed = await receive(ok);
    stops.pop();
    await closed.stop();
    const outcomes = await Promise.all(
      [garbage, large, hangUp, closed.port].map((port) => deliver(`http://${HOST}:${port}/`, { resolve: resolvingTo(OUTSIDE) })),
    );
    expect(outcomes).toEqual([
      { kind: 'retry', reason: 'was answered by something that is not HTTP' },
      { kind: 'retry', reason: 'was answered by something that is not HTTP' },
      { kind: 'retry', reason: 'was cut off before an answer' },
      { kind: 'retry', reason: 'was refused a connection' },
    ]);
  });
});

describe('a webhook over TLS', () => {
  /** A certificate for `HOST`, signed by itself. */
  async function certify(): Promise<{ key: string; cert: string }> {
    const folder = await mkdtemp(join(tmpdir(), 'rf-webhook-'));
    stops.push(() => rm(folder, { recursive: true, force: true }));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', `/CN=${HOST}`, '-addext', `subjectAltName=DNS:${HOST}`];
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', ...subject]);
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
  }

  it('goes only to who can prove its name, and never back to http', async (context) => {
    const tls = await certify().catch(() => undefined);
    context.skip(tls === undefined, 'there is no openssl to make a certificate');
    const secure = await receive(
      (response, { path }) => (path === '/plain' ? status(307, { Location: `http://${HOST}/` }) : ok)(response, secure.received[0]!),
      {
        tls: tls!,
      },
    );
    const plain = await receive(status(308, { Location: `https://${HOST}:${secure.port}/` }));
    const options = { resolve: resolvingTo(OUTSIDE) };
    expect(await deliver(`https://${HOST}:${secure.port}/`, options)).toEqual({
      kind: 'retry',
      reason: 'found a TLS certificate that cannot be trusted',
    });
    expect(secure.received).toEqual([]);

    const trusted = getCACertificates('default');
    stops.push(() => setDefaultCACertificates(trusted));
    setDefaultCACertificates([...trusted, tls!.cert]);
    expect(await deliver(`https://${HOST}:${secure.port}/`, options)).toMatchObject({ kind: 'delivered' });
    expect(await deliver(`https://other.example.com:${secure.port}/`, options)).toMatchObject({
      kind: 'retry',
      reason: expect.stringMatching(/certificate/) as string,
    });
    expect(await deliver(`http://${HOST}:${plain.port}/`, options)).toMatchObject({ kind: 'delivered' });
    expect(secure.received).toHaveLength(2);
    expect(await deliver(`https://${HOST}:${secure.port}/plain`, options)).toEqual({
      kind: 'refused',
      reason: 'was redirected from https to less',
    });
  });
});

describe('a proxy of the environment', () => {
  it('is not used: it would connect where nobody checks', async () => {
    const [receiver, proxy] = [await receive(ok), await receive(status(502))];
    const url = `http://127.0.0.1:${proxy.port}`;
    const env = {
      PATH: '',
      NODE_USE_ENV_PROXY: '1',
      HTTP_PROXY: url,
      http_proxy: url,
      HTTPS_PROXY: url,
      ALL_PROXY: url,
      NO_PROXY: '',
      no_proxy: '',
    };
    const program = fileURLToPath(new URL('webhooks-programs/deliver.mjs', import.meta.url));
    const { stdout } = await run(process.execPath, [program, `http://127.0.0.1:${receiver.port}/`], { env });
    expect(JSON.parse(stdout)).toEqual({ kind: 'delivered', status: 204 });
    expect([receiver.received.length, proxy.received.length]).toEqual([1, 0]);
  });
});
