// @vitest-environment happy-dom
import { RerankClient, type WhoamiBody } from '@rerank-fleet/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mount, type Mounted } from '../../test/mount.js';
import { ServiceProvider } from '../app/service.js';
import { FleetPage } from './fleet-page.js';

/** What the service was asked. */
let asked: string[];
let page: Mounted;

/** Shown to whoever has a key with these scopes; undefined for a key that is not known. */
function show(scopes?: WhoamiBody['scopes']): void {
  const fetch: typeof globalThis.fetch = async (input) => {
    const path = new URL(input as string).pathname;
    asked.push(path);
    if (scopes === undefined) return new Response('{"code":"unauthorized","detail":"Send an API key."}', { status: 401 });
    const body = path === '/v1/whoami' ? { object: 'whoami', tenant: 'acme', scopes } : { object: 'list', data: [] };
    return new Response(JSON.stringify(body));
  };
  const client = new RerankClient({ baseUrl: 'http://service', fetch });
  const service = { client, url: 'http://service', hasKey: true, askForKey: () => undefined };
  page.show(
    <ServiceProvider value={service}>
      <FleetPage />
    </ServiceProvider>,
  );
}
const shows = (text: string): Promise<void> => expect.poll(() => page.root.textContent).toContain(text);

beforeEach(() => {
  asked = [];
  page = mount();
});
afterEach(() => page.leave());

describe(FleetPage, () => {
  it('asks for the workers where the key is one of an operator', async () => {
    show(['search', 'operator']);
    await shows('Dead letters');
    expect(asked).toContain('/v1/admin/workers');
    expect(page.root.querySelector('[role=alert]')?.textContent ?? '').not.toContain('operator');
  });

  it('says what a key lacks, and asks for nothing that would be refused', async () => {
    show(['search']);
    await shows('lacks the scope "operator"');
    await expect.poll(() => [...asked].sort()).toEqual(['/v1/models', '/v1/whoami']);
    expect(page.root.textContent).not.toContain('Queue board');
  });

  it('says why nothing is known of the key', async () => {
    show();
    await shows('Send an API key.');
    expect(asked.some((path) => path.startsWith('/v1/admin'))).toBe(false);
  });
});
