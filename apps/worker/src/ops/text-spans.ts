import { spanNow } from '@rerank-fleet/core/observability';
import type { TextObserver } from '../tokenization/text-pool.js';
import { stretchWithin } from './thread-times.js';

/** Spans of work on text threads: the wait for one is what the call took and the thread did not. */
export const TEXT_SPANS: TextObserver = {
  asked: ({ kind, texts }) => {
    const span = spanNow();
    if (span === undefined) return undefined;
    const startedAt = performance.now();
    return (times) => {
      const call = { startedAt, endedAt: performance.now() };
      const tokenize = span.record('tokenize', { ...call, attributes: { 'rerank.text.kind': kind, 'rerank.texts': texts } });
      tokenize.record('text thread', stretchWithin(call, times));
    };
  },
};
