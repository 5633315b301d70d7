// @vitest-environment happy-dom
import { RerankClient, type DeadLetterBody } from '@rerank-fleet/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { doing, mount, type Mounted } from '../../test/mount.js';
import { ServiceProvider } from '../app/service.js';
import { DeadLetters } from './dead-letters.js';

const LETTER: DeadLetterBody = {
  object: 'dead_letter',
  id: 'batch-default.job_1-4',
  queue: 'batch-default',
  kind: 'batch',
  tenant: 'acme',
  job_id: 'job_1',
  slice: 4,
  attempts: 3,
  failed_at: 1_000,
  detail: '<b>The worker died.</b>',
};

/** What the service would answer, and what it was asked. */
let letters: readonly DeadLetterBody[];
let asked: string[];
let page: Mounted;

const answer = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status });

const fetch: typeof globalThis.fetch = async (input, init) => {
  const call = `${init?.method ?? 'GET'} ${new URL(input as string).pathname}`;
  asked.push(call);
  if (call.startsWith('GET')) return answer({ object: 'list', data: letters, total: letters.length, has_more: false });
  if (call.startsWith('DELETE')) {
    letters = [];
    return new Response(undefined, { status: 204 });
  }
  if (letters.length === 0) return answer({ code: 'dead_letter_expired', detail: 'Its job was removed.' }, 409);
  letters = [];
  return answer({ object: 'dead_letter.retried', id: LETTER.id, queue: LETTER.queue, job_id: 'job_1', retry_job_id: 'job_2' });
};

/** Shown, with what the service answered first. */
async function show(text: string): Promise<void> {
  const client = new RerankClient({ baseUrl: 'http://service', fetch });
  const service = { client, url: 'http://service', hasKey: true, askForKey: () => undefined };
  page.show(
    <ServiceProvider value={service}>
      <DeadLetters everyMs={60_000} />
    </ServiceProvider>,
  );
  await shows(text);
}
const shows = (text: string): Promise<void> => expect.poll(() => page.root.textContent).toContain(text);
const button = (name: string, within: Element = page.root): HTMLButtonElement =>
  [...within.querySelectorAll('button')].find(({ textContent }) => textContent === name)!;

beforeEach(() => {
  letters = [LETTER];
  asked = [];
  page = mount();
});
afterEach(() => page.leave());

describe(DeadLetters, () => {
  it('tells where each came from, and its last fault as a text', async () => {
    await show('batch-default');
    const cells = [...page.root.querySelectorAll('tbody td')].map(({ textContent }) => textContent);
    expect(cells.slice(0, 3)).toEqual(['batch-defaulttenant acme', 'job_1slice 4', '3']);
    expect(cells[4]).toBe(LETTER.detail);
  });

  it('says that there are none', async () => {
    letters = [];
    await show('There are none.');
    expect(page.root.querySelector('table')).toBeNull();
  });

  it('tries one again, and leads to the job that does it', async () => {
    await show('Retry');
    button('Retry').click();
    await shows('There are none.');
    expect(asked).toEqual(['GET /v1/admin/dead-letters', `POST /v1/admin/dead-letters/${LETTER.id}/retry`, 'GET /v1/admin/dead-letters']);
    expect(page.root.querySelector('[role=status] a')?.getAttribute('href')).toBe('#/jobs/job_2');
    expect(page.root.querySelector('tbody')).toBeNull();
  });

  it('says why one cannot be tried again', async () => {
    await show('Retry');
    letters = [];
    button('Retry').click();
    await shows('Its job was removed.');
    expect(page.root.querySelector('[role=alert]')).not.toBeNull();
  });

  it('deletes one only when that is confirmed', async () => {
    await show('Retry');
    doing(() => button('Delete').click());
    expect(asked).toEqual(['GET /v1/admin/dead-letters']);
    page.root.querySelector('dialog form')!.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }));
    await shows('There are none.');
    expect(asked.slice(1)).toEqual([`DELETE /v1/admin/dead-letters/${LETTER.id}`, 'GET /v1/admin/dead-letters']);
  });
});
