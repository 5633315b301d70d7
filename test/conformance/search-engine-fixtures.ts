import type { CorpusVersion, Document, ExternalSource, JsonValue } from '@rerank-fleet/core/domain';
import type { SearchEngine } from '../support/search-engines.js';

export const INDEX = 'rf-first-stage-garden';
/** With a window of five. */
export const SMALL_INDEX = 'rf-first-stage-small';

interface GardenDocument extends Document {
  readonly metadata: Readonly<Record<string, JsonValue>>;
  readonly vector: readonly number[];
}

const document = (id: string, title: string, text: string, more: Pick<GardenDocument, 'metadata' | 'vector'>): GardenDocument => ({
  id,
  title,
  text,
  ...more,
});

export const GARDEN: readonly GardenDocument[] = [
  document('apple-pruning', 'Pruning apple trees', 'Cut the apple tree in late winter, before its buds swell.', {
    metadata: {
      tags: ['fruit', 'tree'],
      year: 2021,
      price: 12.5,
      evergreen: false,
      published: '2021-03-01T09:30:00Z',
      author: { name: 'Ida' },
    },
    vector: [1, 0, 0, 0],
  }),
  document('apple-pie', 'Apple pie', 'Bake the apple slices under a crust until they are soft.', {
    metadata: {
      tags: ['kitchen', 'fruit'],
      year: 2019,
      price: 4,
      evergreen: false,
      published: '2019-11-20T00:00:00Z',
      author: { name: 'Noor' },
    },
    vector: [0.6, 0.8, 0, 0],
  }),
  document('holly', 'Holly', 'Holly keeps its leaves; a hedge of it needs shears in summer.', {
    metadata: { tags: ['hedge'], year: 2020, price: 30, evergreen: true, published: '2020-06-30T23:59:59.5Z', author: { name: 'Ida' } },
    vector: [0, 0, 1, 0],
  }),
  document('winter-store', 'Winter store', 'Keep fruit cool and dark: an apple lasts the winter in sand.', {
    metadata: { tags: ['fruit', 'winter'], year: 2021, price: 7.25, evergreen: false, published: '2021-12-31T23:00:00Z' },
    vector: [0.8, 0, 0.6, 0],
  }),
  document('pond', 'A pond', 'Dig it where leaves do not fall, and line it with clay. 🐸', {
    metadata: { tags: [], year: 2018, evergreen: null, published: '2018-01-01T00:00:00Z', author: { name: 'Sam' } },
    vector: [0, 0, 0, 1],
  }),
  document('compost', 'Compost', 'Turn the heap twice in winter, and water it in summer.', {
    metadata: { tags: 'soil', year: 2022, price: 0, evergreen: true, published: '2022-05-05T05:05:05Z', author: { name: 'Noor' } },
    vector: [0, 0.6, 0.8, 0],
  }),
];

const bodyOf = ({ title, text, metadata, vector }: GardenDocument) => ({
  name: title,
  body: text,
  ...metadata,
  vector,
  part: { of: 'the-garden-book', number: metadata['year'] as number },
});

const VECTORS: Readonly<Record<SearchEngine, object>> = {
  elasticsearch: { type: 'dense_vector', dims: 4, index: true, similarity: 'cosine' },
  opensearch: { type: 'knn_vector', dimension: 4, method: { name: 'hnsw', engine: 'lucene', space_type: 'cosinesimil' } },
};

const keyword = { type: 'keyword' };

/** Makes the indices anew. */
export async function fillSearchEngine(engine: SearchEngine, url: string): Promise<void> {
  const properties = {
    name: { type: 'text' },
    body: { type: 'text' },
    tags: { type: 'text', fields: { exact: keyword } },
    year: { type: 'integer' },
    price: { type: 'double' },
    evergreen: { type: 'boolean' },
    published: { type: 'date' },
    author: { properties: { name: keyword } },
    part: { properties: { of: keyword, number: { type: 'integer' } } },
    vector: VECTORS[engine],
  };
  for (const [index, more] of [
    [INDEX, {}],
    [SMALL_INDEX, { max_result_window: 5 }],
  ] as const) {
    await fetch(`${url}/${index}`, { method: 'DELETE' });
    const settings = { number_of_shards: 1, number_of_replicas: 0, ...more, ...(engine === 'opensearch' ? { knn: true } : {}) };
    await send(`${url}/${index}`, 'PUT', JSON.stringify({ settings: { index: settings }, mappings: { properties } }));
    const lines = GARDEN.flatMap((each) => [JSON.stringify({ index: { _id: each.id } }), JSON.stringify(bodyOf(each))]);
    await send(`${url}/${index}/_bulk?refresh=true`, 'POST', `${lines.join('\n')}\n`);
  }
}

async function send(url: string, method: 'PUT' | 'POST', body: string): Promise<void> {
  const type = method === 'PUT' ? 'application/json' : 'application/x-ndjson';
  const response = await fetch(url, { method, body, headers: { 'content-type': type } });
  const answer = (await response.json()) as { readonly errors?: boolean };
  if (!response.ok || answer.errors === true) throw new Error(JSON.stringify(answer));
}

export const OPTIONS = { index: INDEX, text_field: 'body', title_field: 'name' } as const;

export function versionOf(source: ExternalSource, tenant = 'default'): CorpusVersion {
  return {
    tenant,
    corpus: 'garden',
    version: 1,
    corpusId: 'c',
    embedder: { name: 'e', sha256: 'e', dimensions: 4 },
    chunking: { mode: 'none', maxTokens: 256, overlapTokens: 0 },
    bm25: { k1: 1.2, b: 0.75, averageLength: 100, language: 'english', termHash: 'murmur3-32' },
    fields: {},
    source,
    createdAt: 0,
  };
}
