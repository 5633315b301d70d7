import { RerankClient } from '@rerank-fleet/client';
import type { Page } from 'playwright-core';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestApi } from '../integration/api-support.js';
import { BROWSER, NO_BROWSER, openBrowser, type TestBrowser } from '../support/browser.js';
import { startTestStack, type TestStack } from '../support/stack.js';
import { build } from '../support/web-build.js';

const KEYS = { owner: 'owner-key-of-the-web-suite', reader: 'reader-key-of-the-web-suite' };
const TEXTS = [
  'Pear trees take the same winter cut as apples.',
  'Prune apple trees in late winter and open the crown to light.',
  '<img src=x onerror="document.title=1"> Apple shares rose two percent.',
  'A ball python that refuses food is seldom ill.',
];
const QUERY = 'how to prune an apple tree';
const UPLOAD = join(tmpdir(), `rerank-web-${process.pid}.jsonl`);

let stack: TestStack;
let browser: TestBrowser;
let owner: RerankClient;
/** Of the key that may do everything. */
let page: Page;

beforeAll(async () => {
  if (BROWSER === undefined) return;
  await build();
  const keys = [
    { key: KEYS.owner, tenant: 'acme', scopes: ['search', 'jobs', 'ingest', 'admin', 'operator'] },
    { key: KEYS.reader, tenant: 'acme', scopes: ['search'] },
  ];
  [stack, browser] = await Promise.all([startTestStack({ environment: { API_KEYS: JSON.stringify(keys) } }), openBrowser()]);
  owner = new RerankClient({ baseUrl: stack.url, apiKey: KEYS.owner });
  page = await browser.open();
  await page.goto(stack.url);
  await useKey(page, KEYS.owner);
});

afterAll(async () => {
  await browser?.close();
  await stack?.stop();
  await rm(UPLOAD, { force: true });
});

beforeEach((context) => context.skip(BROWSER === undefined, NO_BROWSER));
afterEach((context) => {
  if (context.task.result?.state !== 'fail') expect(browser.faults()).toEqual([]);
});

async function useKey(on: Page, key: string): Promise<void> {
  await on.getByLabel('Key', { exact: true }).fill(key);
  await on.getByRole('button', { name: 'Use it' }).click();
  await on.getByRole('button', { name: 'Key is set' }).waitFor();
}

const go = (path: string, on = page): Promise<unknown> => on.goto(`${stack.url}/#/${path}`);
const button = (name: string, on = page) => on.getByRole('button', { name, exact: true });
const listed = (title: string): Promise<string[]> =>
  page
    .locator('.ranked')
    .filter({ has: page.getByRole('heading', { name: title }) })
    .locator('.text')
    .allTextContents();
const status = (text: string) => page.getByText(text, { exact: true }).first().waitFor();

describe('a key', () => {
  it('is asked for where one is needed, and kept in the tab alone', async () => {
    expect(await page.evaluate<string[]>('Object.values(sessionStorage)')).toEqual([KEYS.owner]);
    expect(await page.evaluate<number>('localStorage.length')).toBe(0);
    expect(await page.context().cookies()).toEqual([]);
    expect(page.url()).not.toContain(KEYS.owner);
  });

  it('that may not do something is told so, and does the rest', async () => {
    const reader = await browser.open();
    await go('fleet', reader);
    await useKey(reader, KEYS.reader);
    await reader.getByText('Your key may not do this').waitFor();
    expect(await reader.getByRole('alert').allTextContents()).toEqual([expect.stringContaining('lacks the scope "operator"')]);
    await reader.getByRole('cell', { name: 'ms-marco-MiniLM-L-12-v2' }).waitFor();
    await go('jobs', reader);
    await reader.getByText('lacks the scope "jobs" or "ingest"').waitFor();
    await button('Key is set', reader).click();
    await button('Forget the key', reader).click();
    await reader.getByText('An API key is needed').first().waitFor();
    expect(await reader.evaluate<number>('sessionStorage.length')).toBe(0);
  });

  it('is not asked for by a service on one’s own machine that has none', async () => {
    const api = await startTestApi();
    try {
      const local = await browser.open();
      await local.goto(`${await api.listen()}/#/fleet`);
      await local.getByText('tiny-reranker').first().waitFor();
      expect(await local.getByRole('dialog').count()).toBe(0);
    } finally {
      await api.close();
    }
  });
});

describe('the playground', () => {
  it('shows the order before and after reranking, and texts as texts', async () => {
    await go('playground');
    await page.getByRole('textbox', { name: 'Documents' }).fill(TEXTS.join('\n'));
    await page.getByLabel('Query').fill(QUERY);
    await page.getByLabel('Query').press('Control+Enter');
    await page.getByRole('heading', { name: 'After' }).waitFor();
    const { results } = await owner.rerank({ query: QUERY, documents: TEXTS });
    expect(await listed('Before')).toEqual(TEXTS);
    expect(await listed('After')).toEqual(results.map(({ index }) => TEXTS[index]));
    expect([await page.title(), await page.locator('main img').count()]).toEqual(['Playground · rerank-fleet', 0]);
  });

  it('copies the request as a command, without the key', async () => {
    await page.getByText('This request as code').click();
    await button('Copy').click();
    await button('Copied').waitFor();
    const copied = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(copied).toContain(`curl -sS '${stack.url}/v1/rerank'`);
    expect(copied).toContain('$RERANK_API_KEY');
    expect(copied).not.toContain(KEYS.owner);
  });

  it('says what the service refuses, by its own words', async () => {
    await go('playground/search?corpus=nowhere&query=frost');
    await button('Search').click();
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.textContent()).toMatch(/^There is no such corpus.*GET \/v1\/corpora.*corpus_not_found · request /);
  });
});

describe('corpora', () => {
  it('are made, filled and searched', async () => {
    await go('corpora');
    await page.getByText('Make a corpus').click();
    await page.getByLabel('name', { exact: true }).fill('garden');
    await page.getByLabel('filterable fields').fill('topic');
    await button('Make it').click();
    await page.getByRole('heading', { name: 'garden' }).waitFor();
    await page
      .getByLabel('Or paste them')
      .fill(TEXTS.map((text, id) => JSON.stringify({ id: `d${id}`, text, metadata: { topic: id < 2 ? 'trees' : 'else' } })).join('\n'));
    await button('Store').click();
    await page.getByText('4 of 4 documents').waitFor();
    await page.getByRole('link', { name: 'Search it' }).click();
    await page.getByLabel('Query').fill(QUERY);
    await page.getByLabel('Filter').fill('{"must": [{"key": "topic", "match": {"value": "trees"}}]}');
    await button('Search').click();
    await page.getByRole('heading', { name: 'After' }).waitFor();
    expect(await listed('After')).toEqual([TEXTS[1], TEXTS[0]]);
  });

  it('lose the documents that are named, once that is confirmed', async () => {
    await go('corpora/garden');
    await page.getByLabel('Ids').fill('d3\nunknown');
    await button('Delete them').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete them' }).click();
    await page.getByText('1 deleted').waitFor();
    await expect.poll(async () => (await owner.getCorpus('garden')).documents).toBe(3);
  });

  it('are reindexed, promoted by hand, and rolled back', async () => {
    await page.getByText('Start one').click();
    await page.getByLabel('promote by hand').check();
    await button('Start the reindex').click();
    await button('Promote the new version').click();
    await button('Roll back to the version before').waitFor();
    expect((await owner.getCorpus('garden')).version).toBe(2);
    await button('Roll back to the version before').click();
    await status('rolled back');
    expect((await owner.getCorpus('garden')).version).toBe(1);
  });
});

describe('jobs', () => {
  it('are looked at, sent, followed to their end, and saved', async () => {
    const rows = [...TEXTS.map((query, id) => ({ custom_id: `q${id}`, query })), { custom_id: 'bad', query: '' }];
    await writeFile(UPLOAD, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await go('jobs');
    await page.getByText('Submit a job').click();
    await page.getByLabel('JSONL file').setInputFiles(UPLOAD);
    await page.getByLabel('corpus').fill('garden');
    await button('Estimate').click();
    await page.getByText('line 6:').waitFor();
    await button('Submit').click();
    await page.getByText('5 of 5 requests').waitFor();
    await status('completed');
    const saving = page.waitForEvent('download');
    await button('Download NDJSON').click();
    const saved = (await readFile(await (await saving).path(), 'utf8')).trim().split('\n');
    expect(saved.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id).sort()).toEqual(
      rows.map(({ custom_id: id }) => id).sort(),
    );
  });

  it('are listed by page, newest first, there and back', async () => {
    const rows = page.locator('tbody tr');
    const first = (): Promise<string> => rows.first().getByRole('link').innerText();
    const requests = [{ custom_id: 'a', query: 'q', documents: ['d'] }];
    for (let count = 0; count < 27; count += 1) await owner.submitJob({ requests });
    await go('jobs?kind=batch');
    await expect.poll(() => rows.count()).toBe(25);
    const newest = await first();
    await button('Older').click();
    await expect.poll(() => rows.count()).toBe(3);
    expect(await first()).not.toBe(newest);
    await button('Newer').click();
    await expect.poll(first).toBe(newest);
    expect(await button('Newer').isDisabled()).toBe(true);
  });

  it('are cancelled before their time', async () => {
    await owner.admin.pauseQueue('batch-default');
    await owner.admin.pauseQueue('express-default');
    try {
      const { id } = await owner.submitJob({ requests: [{ custom_id: 'a', corpus: 'garden', query: QUERY }] });
      await go(`jobs/${id}`);
      await button('Cancel the job').click();
      await status('cancelled');
    } finally {
      await owner.admin.resumeQueue('batch-default');
      await owner.admin.resumeQueue('express-default');
    }
    await go('jobs?status=cancelled');
    await page.getByRole('cell', { name: '1 of 1' }).waitFor();
    expect(await page.getByRole('row').count()).toBe(2);
  });
});

describe('the fleet', () => {
  it('shows workers, pools, queues and models, and pauses a queue', async () => {
    const isPaused = async (): Promise<boolean | undefined> =>
      (await owner.admin.listQueues()).find(({ name }) => name === 'ingest')?.paused;
    await go('fleet');
    await page.getByRole('row').filter({ hasText: 'pool default' }).filter({ hasText: 'ready' }).waitFor();
    await page.getByRole('cell', { name: 'bge-small-en-v1.5 default' }).waitFor();
    const pools = page.getByRole('table').filter({ has: page.getByText('Wanted workers') });
    await pools.getByRole('row').filter({ hasText: 'default' }).waitFor();
    await button('Pause ingest').click();
    await button('Resume ingest').waitFor();
    expect(await isPaused()).toBe(true);
    await button('Resume ingest').click();
    await button('Pause ingest').waitFor();
    expect(await isPaused()).toBe(false);
  });
});

describe('every page', () => {
  it.each(['playground', 'playground/search', 'jobs', 'corpora', 'corpora/garden', 'fleet', 'nowhere'])(
    '%s opens by its address, fits a narrow window, and is reached by keys',
    async (path) => {
      await page.setViewportSize({ width: 400, height: 800 });
      await page.goto('about:blank');
      await go(path);
      await expect.poll(() => page.locator('main .busy').count()).toBe(0);
      expect(await page.locator('main h1').count()).toBe(1);
      expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(400);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      expect(await page.evaluate<string>('document.activeElement.id')).toBe('main');
    },
  );

  it('deletes a corpus only when its name was typed', async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await go('corpora/garden');
    await button('Delete the corpus').click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByRole('button', { name: 'Delete the corpus' }).isDisabled()).toBe(true);
    await dialog.getByLabel('Type garden to confirm').fill('garden');
    await dialog.getByRole('button', { name: 'Delete the corpus' }).click();
    await page.getByRole('heading', { name: 'Corpora' }).waitFor();
    expect(await owner.listCorpora()).toEqual([]);
  });
});
