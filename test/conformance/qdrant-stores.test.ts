import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import { describe } from 'vitest';
import { describeStores } from './describe-stores.js';

const url = process.env['QDRANT_URL'];
const apiKey = process.env['QDRANT_API_KEY'];

if (url === undefined) console.log('Skipped: conformance of the Qdrant stores on a real server. Set QDRANT_URL to run it.');

describe.skipIf(url === undefined)('a Qdrant server (skipped without QDRANT_URL)', () => {
  describeStores('Qdrant stores', {
    open: () => Promise.resolve(openQdrantStores({ url: url!, timeoutMs: 30_000, ...(apiKey === undefined ? {} : { apiKey }) })),
  });
});
