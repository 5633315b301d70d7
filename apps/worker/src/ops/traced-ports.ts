import type { CrossEncoder, Embedder, FirstStage } from '@rerank-fleet/core/ports';
import { inSpan, spanNow, traceparentNow } from '@rerank-fleet/core/observability';
import type { RetrievalParts } from '../pipeline/retrieve-candidates.js';

/** The same store; each query is a step of its search. */
export function tracedStore(store: RetrievalParts['store']): RetrievalParts['store'] {
  return {
    retrieve: (version, request) =>
      inSpan(
        'query candidate store',
        async (span) => {
          const candidates = await store.retrieve(version, request);
          span?.note({ 'rerank.candidates': candidates.length });
          return candidates;
        },
        { kind: 'client', attributes: { 'rerank.mode': request.mode, 'rerank.top_k': request.limit } },
      ),
  };
}

/** The same first stage elsewhere, which goes on from a span of its own. */
export function tracedFirstStage(stage: Pick<FirstStage, 'retrieve'>): Pick<FirstStage, 'retrieve'> {
  return {
    retrieve: (version, request) =>
      inSpan(
        'query first stage',
        async (span) => {
          const traceparent = traceparentNow() ?? request.traceparent;
          const candidates = await stage.retrieve(version, { ...request, ...(traceparent === undefined ? {} : { traceparent }) });
          span?.note({ 'rerank.candidates': candidates.length });
          return candidates;
        },
        { kind: 'client', attributes: { 'rerank.mode': request.mode, 'rerank.top_k': request.limit } },
      ),
  };
}

export function tracedEmbedder(embedder: Embedder): Embedder {
  const { name, sha256, dimensions, maxLength } = embedder;
  return {
    name,
    sha256,
    dimensions,
    maxLength,
    embed: (request) =>
      inSpan(request.as === 'query' ? 'embed query' : 'embed passages', () => embedder.embed(request), {
        attributes: { 'rerank.model': name, 'rerank.texts': request.texts.length, 'rerank.priority': request.priority },
      }),
    countTokens: (texts, options) => embedder.countTokens(texts, options),
  };
}

export interface TracedStage {
  /** From 1. */
  readonly stage: number;
  readonly keep?: number;
  /** Called when the stage has its scores. */
  readonly onScored: () => void;
}

/** A stage of a request that is traced; the encoder itself where it is not. */
export function tracedStage(encoder: CrossEncoder, { stage, keep, onScored }: TracedStage): CrossEncoder {
  if (spanNow() === undefined) return encoder;
  const { name, sha256 } = encoder;
  const score: CrossEncoder['score'] = (request) =>
    inSpan(
      'score',
      async (span) => {
        const scored = await encoder.score(request);
        span?.note({
          'rerank.tokens': scored.scores.reduce((sum, { tokens }) => sum + tokens, 0),
          ...(scored.fullReason === undefined ? {} : { 'rerank.effort.reason': scored.fullReason }),
        });
        onScored();
        return scored;
      },
      {
        attributes: {
          'rerank.model': name,
          'rerank.stage': stage,
          'rerank.pairs': request.passages.length,
          'rerank.deterministic': request.deterministic,
          'rerank.effort': request.exit?.effort ?? 'full',
          'rerank.priority': request.priority,
          ...(keep === undefined ? {} : { 'rerank.stage.keep': keep }),
        },
      },
    );
  return { name, sha256, score };
}
