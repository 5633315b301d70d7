import type { CorpusOutcome, CorpusTask, ReindexRequestBody } from '@rerank-fleet/core/contracts';
import {
  abandonReindex,
  promoteReindex,
  rethrottleReindex,
  rollbackReindex,
  startReindex,
  type ReindexPlan,
} from '@rerank-fleet/core/corpora';
import type { CorpusRecord, CorpusRef, ReindexChecks } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import { settleSettings, type SettingsParts } from '../ingest/corpus-settings.js';
import { changeRecord } from './change-record.js';

export type ReindexChange = Extract<CorpusTask['change'], { op: 'start_reindex' | 'control_reindex' }>;

export interface ReindexChangeParts extends SettingsParts {
  readonly documents: DocumentStore;
  readonly now: () => number;
  readonly onReindex: (ref: CorpusRef) => void;
}

const DAY_MS = 86_400_000;

/** Begins a reindex, or changes one, in one atomic write of the corpus' record. The work itself is done by whoever holds the reindex's lease. */
export async function changeReindexes(parts: ReindexChangeParts, ref: CorpusRef, change: ReindexChange): Promise<CorpusOutcome> {
  await changeRecord(parts.documents, ref, async (record) => await changed(parts, record, change));
  parts.onReindex(ref);
  return { kind: 'corpus' };
}

async function changed(parts: ReindexChangeParts, record: CorpusRecord, change: ReindexChange): Promise<CorpusRecord> {
  if (record.deleting === true) throw new RerankError('corpus_not_found', `The corpus "${record.corpus}" is being deleted.`);
  if (change.op === 'start_reindex') return startReindex(record, await planOf(parts, record, change), parts.now());
  const { id, action } = change;
  switch (action.kind) {
    case 'rethrottle':
      return rethrottleReindex(record, id, action.requests_per_second ?? undefined);
    case 'cancel':
      return abandonReindex(record, id, { now: parts.now() });
    case 'promote':
      return promoteReindex(record, id, parts.now());
    case 'rollback':
      return rollbackReindex(record, id, parts.now());
  }
}

async function planOf(
  parts: ReindexChangeParts,
  record: CorpusRecord,
  { id, request }: Extract<ReindexChange, { op: 'start_reindex' }>,
): Promise<ReindexPlan> {
  if (record.settings.source !== undefined)
    throw new RerankError('invalid_request', 'The documents of this corpus are kept elsewhere; there is nothing to reindex here.');
  const { requests_per_second: requestsPerSecond, promote, keep_previous_s: keepS } = request;
  const settings = settleSettings(parts, settingsOf(request), record.settings);
  const { name, sha256, dimensions } = parts.embedders.named(settings.embeddingModel);
  const { chunking, bm25, index } = settings;
  return {
    id,
    promote,
    checks: checksOf(request),
    keepPreviousMs: keepS === undefined ? DAY_MS : keepS * 1_000,
    total: await parts.documents.countDocuments(record),
    settings: { embedder: { name, sha256, dimensions }, chunking, bm25, ...(index === undefined ? {} : { index }) },
    ...(requestsPerSecond === undefined ? {} : { requestsPerSecond }),
  };
}

function settingsOf({ embedding_model, chunking, bm25, index }: ReindexRequestBody): Parameters<typeof settleSettings>[1] {
  return {
    ...(embedding_model === undefined ? {} : { embedding_model }),
    ...(chunking === undefined ? {} : { chunking }),
    ...(bm25 === undefined ? {} : { bm25 }),
    ...(index === undefined ? {} : { index }),
  };
}

function checksOf({ validation }: ReindexRequestBody): ReindexChecks {
  const { sample = 50, min_overlap: minOverlap, judged, min_ndcg_ratio: minNdcgRatio } = validation ?? {};
  return {
    sample,
    ...(minOverlap === undefined ? {} : { minOverlap }),
    ...(judged === undefined ? {} : { judged }),
    ...(minNdcgRatio === undefined ? {} : { minNdcgRatio }),
  };
}
