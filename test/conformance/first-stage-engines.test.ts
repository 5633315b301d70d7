import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { recordExchanges, replayExchanges } from '../support/recorded-exchanges.js';
import { isRecording, SEARCH_ENGINES, searchEngineUrl } from '../support/search-engines.js';
import { describeSearchEngine } from './describe-search-engine.js';
import { fillSearchEngine } from './search-engine-fixtures.js';

/** Of Elasticsearch 8.15.5, and of OpenSearch 2.19.1 with its k-NN plugin. */
const recording = (engine: string): string => fileURLToPath(new URL(`recorded/${engine}.ndjson`, import.meta.url));

for (const engine of SEARCH_ENGINES) {
  const url = searchEngineUrl(engine);
  test(`${engine} on a real cluster`, (context) => {
    context.skip(url === undefined, `${engine.toUpperCase()}_URL is not set: nothing ran against a real cluster`);
    expect(url).toMatch(/^https?:/);
  });

  if (url !== undefined) {
    describeSearchEngine(`${engine}, a real cluster`, {
      engine,
      open: async () => {
        await fillSearchEngine(engine, url);
        return isRecording() ? await recordExchanges(url, recording(engine)) : { url, close: () => Promise.resolve() };
      },
    });
  }

  if (!isRecording()) {
    describeSearchEngine(`${engine}, as it was recorded`, {
      engine,
      open: async () => {
        const server = await replayExchanges(recording(engine));
        return {
          url: server.url,
          close: async () => {
            await server.close();
            expect(server.unknown).toEqual([]);
          },
        };
      },
    });
  }
}
