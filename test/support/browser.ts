import { existsSync } from 'node:fs';
import { chromium, type Page } from 'playwright-core';

/** Where distributions put it. */
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome-stable', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** Machines of tests are busy. */
const PATIENCE_MS = 20_000;
const VIEWPORT = { width: 1_280, height: 900 };

export const BROWSER = PLACES.find((path) => existsSync(path));
export const NO_BROWSER = 'there is no Chromium in /usr/bin';

export interface TestBrowser {
  /** A page of a reader who was never there before. What goes wrong in it is kept in `faults`. */
  open(): Promise<Page>;
  /** Errors that pages threw or wrote, violations of their policy, and calls to other hosts, since the last look. */
  faults(): string[];
  close(): Promise<void>;
}

/** The real Chromium, without a window, on a new profile. */
export async function openBrowser(): Promise<TestBrowser> {
  const browser = await chromium.launch({ executablePath: BROWSER!, headless: true, args: FLAGS });
  const faults: string[] = [];
  return {
    open: async () => {
      const context = await browser.newContext({ viewport: VIEWPORT, permissions: ['clipboard-read', 'clipboard-write'] });
      context.setDefaultTimeout(PATIENCE_MS);
      const page = await context.newPage();
      watch(page, (fault) => faults.push(fault));
      return page;
    },
    faults: () => faults.splice(0),
    close: () => browser.close(),
  };
}

function watch(page: Page, note: (fault: string) => void): void {
  page.on('pageerror', (error) => note(error.message));
  page.on('console', (message) => {
    // What the service refuses is written there by the browser itself.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) note(message.text());
  });
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') note(`asked ${request.url()}`);
  });
}
