import type { WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import type { CorpusRecord, CorpusRef, CorpusVersion } from '@rerank-fleet/core/domain';

export const EMBEDDER = { name: 'tiny-embedder', sha256: 'e'.repeat(64), dimensions: 4 } as const;
export const RERANKER = { name: 'tiny-reranker', sha256: 'c'.repeat(64) } as const;
/** Of no worker, unless a test says so. */
export const LIGHT = { name: 'light-reranker', sha256: 'd'.repeat(64) } as const;

export function announcement(overrides: Partial<WorkerAnnouncement> = {}): WorkerAnnouncement {
  return {
    worker_id: 'worker-1',
    pool: 'default',
    state: 'ready',
    device: 'cpu',
    started_at: 1_000_000,
    models: [
      { name: RERANKER.name, kind: 'cross-encoder', sha256: RERANKER.sha256, maxLength: 512, precision: 'int8' },
      {
        name: EMBEDDER.name,
        kind: 'embedder',
        sha256: EMBEDDER.sha256,
        maxLength: 512,
        precision: 'int8',
        dimensions: EMBEDDER.dimensions,
      },
    ],
    ...overrides,
  };
}

/** A whole record with one version. */
export function corpusRecord(ref: CorpusRef): CorpusRecord {
  const chunking = { mode: 'sentences', maxTokens: 256, overlapTokens: 32 } as const;
  const bm25 = { k1: 1.2, b: 0.75, averageLength: 100, language: 'english', termHash: 'murmur3-32' } as const;
  const version: CorpusVersion = {
    ...ref,
    version: 1,
    corpusId: `id-${ref.corpus}`,
    embedder: EMBEDDER,
    chunking,
    bm25,
    fields: {},
    createdAt: 5_000,
  };
  return {
    ...ref,
    corpusId: version.corpusId,
    settings: { embeddingModel: EMBEDDER.name, chunking, bm25, fields: {} },
    versions: [version],
    promotedVersion: 1,
    revision: 1,
    createdAt: 5_000,
  };
}

/** Of a slice that waits since then. */
export const ingestPayload = (enqueuedMs: number): object => ({
  v: 1,
  id: 'a',
  tenant: 'default',
  request_id: 'r',
  pool: 'default',
  enqueued_ms: enqueuedMs,
  body: { kind: 'ingest', job_id: 'j', slice: 0 },
});
