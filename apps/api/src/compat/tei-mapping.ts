import {
  teiRerankRequestSchema,
  type ModelListBody,
  type RerankRequest,
  type RerankResponse,
  type TeiInfo,
  type TeiRerankRequest,
  type TeiRerankResponse,
} from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { VERSION } from '../version.js';
import { EmptyInputError } from './empty-input-error.js';
import { readCompatibleBody, type CompatibleBody } from './read-compatible-body.js';

const RETRY_AFTER_S = 10;
const DTYPES = { int8: 'int8', fp16: 'float16', fp32: 'float32' } as const;
/** A cross-encoder with one output. */
const LABELS = { id2label: { '0': 'LABEL_0' }, label2id: { LABEL_0: 0 } };

/** On the path that several services share, `texts` is what tells this one's bodies apart. */
export function isTeiBody(body: unknown): body is { readonly texts: unknown } {
  return typeof body === 'object' && body !== null && 'texts' in body && body.texts !== null;
}

/** @throws RerankError `invalid_request`, `too_many_documents`; EmptyInputError */
export function readTeiRequest(body: unknown, maxDocuments: number): CompatibleBody<TeiRerankRequest> {
  const isEmpty = isTeiBody(body) && Array.isArray(body.texts) && body.texts.length === 0;
  if (isEmpty) throw new EmptyInputError('/texts');
  return readCompatibleBody(teiRerankRequestSchema, body, { field: 'texts', maxDocuments });
}

export function fromTei({ query, texts, truncate, raw_scores: rawScores, return_text: returnText }: TeiRerankRequest): RerankRequest {
  return {
    query,
    documents: texts,
    long_document: truncate ? 'truncate' : 'error',
    raw_scores: rawScores,
    return_documents: returnText,
  };
}

export function toTei({ results }: RerankResponse): TeiRerankResponse {
  return results.map(({ index, relevance_score: score, document }) => ({
    index,
    score,
    ...(document === undefined ? {} : { text: document.text }),
  }));
}

/**
 * The fleet as one server of this dialect: its default reranker.
 *
 * @throws RerankError `model_unavailable` where no pool has a reranker
 */
export function describeInfo(models: ModelListBody, maxDocuments: number): TeiInfo {
  const reranker = models.data.find(({ kind }) => kind === 'cross-encoder');
  if (reranker === undefined) {
    throw new RerankError('model_unavailable', 'No pool has a reranker; start a worker.', { retryAfterS: RETRY_AFTER_S });
  }
  return {
    model_id: reranker.id,
    model_sha: reranker.sha256,
    model_dtype: DTYPES[reranker.precision],
    model_type: { reranker: LABELS },
    max_input_length: reranker.max_length,
    max_client_batch_size: maxDocuments,
    auto_truncate: true,
    version: VERSION,
  };
}
