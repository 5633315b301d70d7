import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { healthRoute, OpsAddressError, OpsServer, type OpsHealth, type OpsRoute } from './ops-server.js';

const open: OpsServer[] = [];
const faults: unknown[] = [];

async function listen(routes: Readonly<Record<string, OpsRoute>>, host = '127.0.0.1'): Promise<OpsServer> {
  const server = await OpsServer.listen({ host, port: 0, routes, onFault: (error) => faults.push(error) });
  open.push(server);
  return server;
}

/** With a Host header of one's own, which fetch does not allow. */
function statusFor(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
  faults.length = 0;
});

const hello: OpsRoute = (query) => ({ status: 200, contentType: 'text/plain', body: `hello ${query.get('who') ?? ''}` });

describe(OpsServer, () => {
  it('answers a route by its path, with the query', async () => {
    const { url } = await listen({ '/hello': hello });
    expect(await (await fetch(`${url}/hello?who=you`)).text()).toBe('hello you');
  });

  it('answers HEAD without a body', async () => {
    const { url } = await listen({ '/hello': hello });
    const response = await fetch(`${url}/hello`, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '6', '']);
  });

  it.each([
    ['/nowhere', 'GET', 404],
    ['/__proto__', 'GET', 404],
    ['/hello', 'POST', 405],
  ])('refuses %s by %s', async (path, method, status) => {
    const { url } = await listen({ '/hello': hello });
    expect((await fetch(`${url}${path}`, { method })).status).toBe(status);
  });

  it('tells the log, not the client, why a route failed', async () => {
    const { url } = await listen({
      '/bad': () => {
        throw new Error('secret');
      },
    });
    const response = await fetch(`${url}/bad`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    expect(faults).toEqual([new Error('secret')]);
  });

  it('answers no foreign page through a loopback bind', async () => {
    const { url } = await listen({ '/hello': hello });
    expect(await statusFor(`${url}/hello`, 'evil.example')).toBe(403);
    expect(await statusFor(`${url}/hello`, 'localhost:1')).toBe(200);
  });

  it('answers any host name on another bind, as in a cluster', async () => {
    const { url } = await listen({ '/hello': hello }, '0.0.0.0');
    expect(await statusFor(`${url.replace('0.0.0.0', '127.0.0.1')}/hello`, 'pod.example:9464')).toBe(200);
  });

  it('says which port is in use and what to set', async () => {
    const { url } = await listen({});
    const port = Number(new URL(url).port);
    await expect(OpsServer.listen({ host: '127.0.0.1', port, routes: {}, onFault: () => undefined })).rejects.toThrow(OpsAddressError);
    await expect(OpsServer.listen({ host: '127.0.0.1', port, routes: {}, onFault: () => undefined })).rejects.toThrow(/OPS_PORT/);
  });

  it('closes while an answer is open, and again', async () => {
    const server = await listen({ '/slow': () => new Promise(() => undefined) });
    const response = fetch(`${server.url}/slow`);
    response.catch(() => undefined);
    await server.close();
    await expect(response).rejects.toThrow();
    await server.close();
  });
});

describe(healthRoute, () => {
  it('is 503 until all is well', async () => {
    let health: OpsHealth = { status: 'error', checks: { models: { status: 'error', detail: 'loading' } } };
    const { url } = await listen({ '/health/ready': healthRoute(() => health) });
    const starting = await fetch(`${url}/health/ready`);
    expect([starting.status, await starting.json()]).toEqual([503, health]);
    health = { status: 'ok', checks: {} };
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  });
});
