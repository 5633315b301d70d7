import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import { expect, test } from 'vitest';
import { qdrantServer } from '../support/qdrant-server.js';
import { describeStores } from './describe-stores.js';

const server = qdrantServer();

test('the Qdrant stores on a real server', (context) => {
  context.skip(server === undefined, 'QDRANT_URL is not set: nothing ran against a real Qdrant');
  expect(server!.url).toMatch(/^https?:/);
});

if (server !== undefined) {
  describeStores('Qdrant stores', { open: () => Promise.resolve(openQdrantStores({ ...server, timeoutMs: 30_000 })) });
}
