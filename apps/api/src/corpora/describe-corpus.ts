import type { CorpusBody } from '@rerank-fleet/core/contracts';
import type { CorpusRecord } from '@rerank-fleet/core/domain';

/** A corpus as clients see it. */
export function describeCorpus(record: CorpusRecord, counts: { readonly documents: number; readonly passages: number }): CorpusBody {
  const { embeddingModel, chunking, bm25, fields, stages } = record.settings;
  return {
    name: record.corpus,
    settings: {
      embedding_model: embeddingModel,
      chunking: { mode: chunking.mode, max_tokens: chunking.maxTokens, overlap_tokens: chunking.overlapTokens },
      bm25: { k1: bm25.k1, b: bm25.b, average_length: bm25.averageLength, language: bm25.language },
      fields: { ...fields },
      ...(stages === undefined ? {} : { stages: stages.map((stage) => ({ ...stage })) }),
    },
    version: record.promotedVersion,
    versions: record.versions.map((version) => ({
      version: version.version,
      embedding_model: version.embedder.name,
      embedding_sha256: version.embedder.sha256,
      created_at: Math.floor(version.createdAt / 1_000),
    })),
    documents: counts.documents,
    passages: counts.passages,
    created_at: Math.floor(record.createdAt / 1_000),
  };
}
