import type {
  CorpusRecord,
  CorpusVersion,
  IndexedDocument,
  IndexedPassage,
  Metadata,
  SparseVector,
  StoredDocument,
} from '@rerank-fleet/core/domain';

export const DIMENSIONS = 4;
export const WIDE_DIMENSIONS = 6;

export function versionOf(tenant: string, version = 1, corpusId = 'first'): CorpusVersion {
  return {
    tenant,
    corpus: 'manuals',
    version,
    corpusId,
    embedder: { name: 'made-up', sha256: '0'.repeat(64), dimensions: DIMENSIONS },
    chunking: { mode: 'none', maxTokens: 100, overlapTokens: 0 },
    bm25: { k1: 1.2, b: 0.75, averageLength: 10, language: 'english', termHash: 'murmur3-32' },
    fields: { lang: 'keyword', year: 'integer', price: 'float', in_stock: 'bool', published: 'datetime', 'meta.source': 'keyword' },
    createdAt: 1_700_000_000_000,
  };
}

/** A version of another embedder, whose vectors are longer. */
export function widerVersionOf(tenant: string, version: number): CorpusVersion {
  return { ...versionOf(tenant, version), embedder: { name: 'wider', sha256: '1'.repeat(64), dimensions: WIDE_DIMENSIONS } };
}

export function recordOf(version: CorpusVersion): CorpusRecord {
  const { tenant, corpus, corpusId, chunking, bm25, fields, createdAt } = version;
  const settings = { embeddingModel: version.embedder.name, chunking, bm25, fields };
  return { tenant, corpus, corpusId, settings, versions: [version], promotedVersion: version.version, revision: 1, createdAt };
}

export function sparse(terms: Readonly<Record<number, number>>): SparseVector {
  const entries = Object.entries(terms).map(([index, value]) => [Number(index), value] as const);
  return { indices: Uint32Array.from(entries, ([index]) => index), values: Float32Array.from(entries, ([, value]) => value) };
}

/** Unit vector in the plane of the first two axes, `degrees` from the first. */
export function direction(degrees: number, dimensions = DIMENSIONS): Float32Array {
  const radians = (degrees * Math.PI) / 180;
  const vector = new Float32Array(dimensions);
  vector.set([Math.cos(radians), Math.sin(radians)]);
  return vector;
}

export function passage(index: number, degrees: number, terms: Readonly<Record<number, number>>): IndexedPassage {
  const text = `passage ${String(index)} at ${String(degrees)}`;
  return { index, start: index * 100, end: index * 100 + text.length, text, dense: direction(degrees), bm25: sparse(terms) };
}

export function indexed(documentId: string, seq: number, passages: readonly IndexedPassage[], metadata?: Metadata): IndexedDocument {
  return {
    documentId,
    seq,
    contentHash: 'made-up',
    title: `Title of ${documentId}`,
    passages,
    ...(metadata === undefined ? {} : { metadata }),
  };
}

export function stored(id: string, seq: number, text = `text of ${id}`, metadata?: Metadata): StoredDocument {
  return { id, seq, text, ...(metadata === undefined ? {} : { metadata }) };
}

/** Ten documents, `d0` to `d9`, at 0, 10, … 90 degrees; term 1 is in all, term 2 in even ones, term 100 + n in the n-th only. */
export function tenDocuments(seq = 1): IndexedDocument[] {
  return Array.from({ length: 10 }, (_, n) => {
    const terms = { 1: 0.5 + n / 10, ...(n % 2 === 0 ? { 2: 1 } : {}), [100 + n]: 1 };
    return indexed(`d${String(n)}`, seq, [passage(0, n * 10, terms)], METADATA[n]);
  });
}

const METADATA: readonly Metadata[] = [
  { lang: 'en', year: 2000, price: 1.5, in_stock: true, tags: ['red'], published: '2020-01-01T00:00:00Z', meta: { source: 'wiki' } },
  {
    lang: 'en',
    year: 2001,
    price: 2.5,
    in_stock: false,
    tags: ['red', 'blue'],
    published: '2020-02-01T00:00:00Z',
    meta: { source: 'web' },
  },
  { lang: 'de', year: 2002, price: 3.5, in_stock: true, tags: [], published: '2020-03-01T12:00:00+02:00', note: null },
  { lang: 'de', year: 2003, tags: ['blue'], published: '2020-04-01', note: 'x' },
  { lang: 'fr', year: 2004, tags: null, note: [null, 'x'] },
  { lang: 'fr', year: 2005, items: [{ color: 'red' }, { color: 'green' }] },
  { year: 2006, lang: null },
  { year: 2007, lang: ['en', 'it'] },
  { year: '2008', 'key with space': 'yes' },
  {},
];
