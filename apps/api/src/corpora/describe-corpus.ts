import type { CorpusBody } from '@rerank-fleet/core/contracts';
import type { CorpusRecord, CorpusVersion, IndexOptions } from '@rerank-fleet/core/domain';

type SourceOptions = NonNullable<CorpusBody['settings']['source']>['options'];

/** A corpus as clients see it. */
export function describeCorpus(record: CorpusRecord, counts: { readonly documents: number; readonly passages: number }): CorpusBody {
  const { embeddingModel, chunking, bm25, fields, index, source, stages } = record.settings;
  return {
    name: record.corpus,
    settings: {
      embedding_model: embeddingModel,
      chunking: { mode: chunking.mode, max_tokens: chunking.maxTokens, overlap_tokens: chunking.overlapTokens },
      bm25: { k1: bm25.k1, b: bm25.b, average_length: bm25.averageLength, language: bm25.language },
      fields: { ...fields },
      ...(index === undefined ? {} : { index: describeIndex(index) }),
      ...(source === undefined
        ? {}
        : { source: { connection: source.connection, options: structuredClone(source.options) as SourceOptions } }),
      ...(stages === undefined ? {} : { stages: stages.map((stage) => ({ ...stage })) }),
    },
    version: record.promotedVersion,
    versions: record.versions.map((version) => ({
      version: version.version,
      state: stateOf(record, version),
      embedding_model: version.embedder.name,
      embedding_sha256: version.embedder.sha256,
      created_at: seconds(version.createdAt),
      ...(version.retiredAt === undefined ? {} : { retired_at: seconds(version.retiredAt) }),
    })),
    documents: counts.documents,
    passages: counts.passages,
    created_at: seconds(record.createdAt),
  };
}

function stateOf({ promotedVersion }: CorpusRecord, { version, retiredAt }: CorpusVersion): CorpusBody['versions'][number]['state'] {
  if (version === promotedVersion) return 'promoted';
  return retiredAt === undefined ? 'building' : 'retired';
}

function describeIndex({ hnsw, quantization, onDisk, shards, replicas }: IndexOptions): NonNullable<CorpusBody['settings']['index']> {
  return {
    ...(hnsw === undefined ? {} : { hnsw: { m: hnsw.m, ef_construct: hnsw.efConstruct } }),
    ...(quantization === undefined ? {} : { quantization }),
    ...(onDisk === undefined ? {} : { on_disk: onDisk }),
    ...(shards === undefined ? {} : { shards }),
    ...(replicas === undefined ? {} : { replicas }),
  };
}

function seconds(epochMs: number): number {
  return Math.floor(epochMs / 1_000);
}
