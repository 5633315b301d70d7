import type { Chunking, Stage } from '../domain/index.js';
import type { JobRequest } from './read-job-row.js';

/** What the estimate of a search needs to know of its corpus. */
export interface SearchedCorpus {
  readonly chunking: Chunking;
  /** Cascade of requests that name neither model nor stages. */
  readonly stages?: readonly Stage[] | undefined;
}

export interface RowEstimate {
  readonly pairs: number;
  readonly tokens: number;
}

/** Of text in most languages; what it is off by does not matter to what it is for: pacing and admission. */
const BYTES_PER_TOKEN = 4;
/** Passages of whole sentences end before they are full, and short documents long before. */
const PASSAGE_FILL = 0.5;

/**
 * What a row of a job will cost, without a tokenizer and without looking at the corpus' passages. Each stage of a cascade scores what the one before kept.
 *
 * @param bytes of the row as JSON
 * @param corpus of a search
 */
export function estimateRow({ kind, request }: JobRequest, bytes: number, corpus?: SearchedCorpus): RowEstimate {
  const sent = Math.ceil(bytes / BYTES_PER_TOKEN);
  if (kind === 'rerank') {
    const documents = request.documents.length;
    const pairs = pairsOf(documents, request.stages);
    return { pairs, tokens: Math.ceil((sent * pairs) / documents) };
  }
  if (!request.rerank) return { pairs: 0, tokens: sent };
  const stages = request.stages ?? (request.model === undefined ? corpus?.stages : undefined);
  const pairs = pairsOf(request.top_k, stages);
  return { pairs, tokens: sent + pairs * meanPassageTokens(corpus?.chunking) };
}

function pairsOf(candidates: number, stages: readonly Stage[] = []): number {
  let left = candidates;
  let pairs = stages.length === 0 ? candidates : 0;
  for (const { keep = left } of stages) {
    pairs += left;
    left = Math.min(left, keep);
  }
  return pairs;
}

function meanPassageTokens(chunking: Chunking | undefined): number {
  return Math.ceil((chunking?.maxTokens ?? 256) * PASSAGE_FILL);
}
