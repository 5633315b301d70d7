import type { RerankRequest, SearchRequest } from '../contracts/index.js';
import type { Chunking, Stage } from '../domain/index.js';

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

/** What of a request makes its cost. */
export type EstimatedRequest =
  | {
      readonly kind: 'rerank';
      readonly request: Pick<RerankRequest, 'query' | 'documents' | 'stages' | 'long_document' | 'max_tokens_per_doc'>;
    }
  | {
      readonly kind: 'search';
      readonly request: Pick<SearchRequest, 'query' | 'top_k' | 'rerank' | 'model' | 'stages' | 'long_document'>;
    };

/** Of text in most languages; what it is off by does not matter to what it is for: pacing and admission. */
const BYTES_PER_TOKEN = 4;
/** Passages of whole sentences end before they are full, and short documents long before. */
const PASSAGE_FILL = 0.5;

/**
 * What a row of a job will cost, without a tokenizer and without looking at the texts. Each stage of a cascade scores what the one before kept; the query counts
 * with each pair.
 *
 * @param bytes of the row as JSON
 * @param corpus of a search
 */
export function estimateRow(row: EstimatedRequest, bytes: number, corpus?: SearchedCorpus): RowEstimate {
  const query = tokensOf(row.request.query);
  if (row.kind === 'search') return ofSearch(row.request, query + meanPassageTokens(corpus?.chunking), corpus);
  const documents = row.request.documents.length;
  const texts = Math.max(0, bytes - Buffer.byteLength(row.request.query)) / BYTES_PER_TOKEN;
  const pairs = pairsOf(documents, row.request.stages);
  return { pairs, tokens: Math.ceil((texts / documents) * pairs + query * pairs) };
}

/**
 * What a call will cost; as {@link estimateRow}, by the bytes of its texts. What the models cut off costs nothing.
 *
 * @param maxPairTokens the longest pair of the models that score; unknown: Infinity
 */
export function estimateCall(call: EstimatedRequest, corpus?: SearchedCorpus, maxPairTokens = Infinity): RowEstimate {
  const query = tokensOf(call.request.query);
  const longest = call.request.long_document === 'chunk' ? Infinity : maxPairTokens;
  if (call.kind === 'search') return ofSearch(call.request, Math.min(query + meanPassageTokens(corpus?.chunking), longest), corpus);
  const { documents, stages, max_tokens_per_doc: longestDocument = Infinity } = call.request;
  let tokens = 0;
  for (const document of documents) {
    const text = typeof document === 'string' ? document : document.text;
    tokens += Math.min(query + Math.min(tokensOf(text), longestDocument), longest);
  }
  const pairs = pairsOf(documents.length, stages);
  return { pairs, tokens: Math.ceil((tokens / documents.length) * pairs) };
}

type SearchPart = Extract<EstimatedRequest, { kind: 'search' }>['request'];

/** A search that is not reranked costs its query. */
function ofSearch(request: SearchPart, pairTokens: number, corpus: SearchedCorpus | undefined): RowEstimate {
  const query = tokensOf(request.query);
  if (!request.rerank) return { pairs: 0, tokens: query };
  const stages = request.stages ?? (request.model === undefined ? corpus?.stages : undefined);
  const pairs = pairsOf(request.top_k, stages);
  return { pairs, tokens: query + pairs * pairTokens };
}

function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
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
