import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { afterAll } from 'vitest';
import { describeStores } from './describe-stores.js';

const directory = mkdtempSync(join(tmpdir(), 'embedded-stores-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describeStores('embedded stores', { open: () => Promise.resolve(openEmbeddedStores({ directory })) });
