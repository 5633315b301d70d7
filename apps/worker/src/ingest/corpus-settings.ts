import type { CorpusSettingsBody } from '@rerank-fleet/core/contracts';
import type { CorpusSettings, IndexOptions } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { BM25_LANGUAGES } from '@rerank-fleet/core/retrieval';
import type { Embedder } from '@rerank-fleet/core/ports';
import type { Embedders } from '../pipeline/embedders.js';

/** Room of an embedder's window that special tokens and a prefix may take. */
const FRAMING_TOKENS = 8;

export interface SettingsParts {
  readonly embedders: Embedders;
}

/** Settings that decide what is in the index. */
export const INDEXED_SETTINGS = ['embeddingModel', 'chunking', 'bm25', 'index'] as const;

/** What the body leaves out is as in `base`, and without one as the embedder suggests. Its source is settled already. */
export function settleSettings(parts: SettingsParts, body: CorpusSettingsBody, base?: CorpusSettings): CorpusSettings {
  const named = body.embedding_model ?? base?.embeddingModel;
  const embedder = named === undefined ? parts.embedders.default : parts.embedders.named(named);
  const before = base ?? defaultSettings(embedder);
  const { chunking, bm25 } = body;
  assertTaken(body, embedder);
  const stages = body.stages ?? before.stages ?? [];
  const index = body.index === undefined ? before.index : indexOptions(body.index);
  const source = body.source ?? before.source;
  return {
    embeddingModel: embedder.name,
    chunking:
      chunking === undefined
        ? before.chunking
        : { mode: chunking.mode, maxTokens: chunking.max_tokens, overlapTokens: chunking.overlap_tokens },
    bm25:
      bm25 === undefined
        ? before.bm25
        : { k1: bm25.k1, b: bm25.b, averageLength: bm25.average_length, language: bm25.language, termHash: 'murmur3-32' },
    fields: body.fields ?? before.fields,
    ...(index === undefined ? {} : { index }),
    ...(source === undefined ? {} : { source }),
    ...(stages.length === 0 ? {} : { stages }),
  };
}

function defaultSettings(embedder: Embedder): CorpusSettings {
  const maxTokens = Math.min(256, embedder.maxLength - FRAMING_TOKENS);
  return {
    embeddingModel: embedder.name,
    chunking: { mode: 'sentences', maxTokens, overlapTokens: Math.floor(maxTokens / 8) },
    bm25: { k1: 1.2, b: 0.75, averageLength: 100, language: 'english', termHash: 'murmur3-32' },
    fields: {},
  };
}

function assertTaken({ chunking, bm25 }: CorpusSettingsBody, embedder: Embedder): void {
  const most = embedder.maxLength - FRAMING_TOKENS;
  if (chunking?.mode === 'sentences' && chunking.max_tokens > most)
    throw invalid('/chunking/max_tokens', `must be at most ${most}, the most that ${embedder.name} embeds`);
  if (bm25 !== undefined && !BM25_LANGUAGES.includes(bm25.language))
    throw invalid('/bm25/language', `must be one of ${BM25_LANGUAGES.join(', ')}`);
}

function indexOptions({ hnsw, quantization, on_disk: onDisk, shards, replicas }: NonNullable<CorpusSettingsBody['index']>): IndexOptions {
  return {
    ...(hnsw === undefined
      ? {}
      : {
          hnsw: {
            ...(hnsw.m === undefined ? {} : { m: hnsw.m }),
            ...(hnsw.ef_construct === undefined ? {} : { efConstruct: hnsw.ef_construct }),
          },
        }),
    ...(quantization === undefined ? {} : { quantization }),
    ...(onDisk === undefined ? {} : { onDisk }),
    ...(shards === undefined ? {} : { shards }),
    ...(replicas === undefined ? {} : { replicas }),
  };
}

function invalid(pointer: string, detail: string): RerankError {
  return new RerankError('invalid_request', `${pointer} ${detail}.`, { errors: [{ pointer, detail }] });
}
