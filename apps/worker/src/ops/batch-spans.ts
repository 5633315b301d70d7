import { inFrame, spanNow, WorkSpan, type SpanAttributes } from '@rerank-fleet/core/observability';
import type { BatchObserver, BatchReport } from '../pipeline/scheduling.js';
import { stretchWithin } from './thread-times.js';

/** Batches of one step that have spans: a deterministic request runs one for each pair. */
const MOST_BATCHES = 32;
/** Other requests of a batch that each of its spans names. */
const MOST_LINKS = 8;

/** A request's share in a batch. */
interface Share {
  pairs: number;
  tokens: number;
  longestWaitMs: number;
}

/** Tells each traced step which batches it took part in: the wait for the batch, the batch, and in it the time on the inference thread. */
export class BatchSpans implements BatchObserver {
  readonly #inner: BatchObserver;
  readonly #nameOf: (sha256: string) => string;
  readonly #recorded = new WeakMap<WorkSpan, number>();

  /** @param inner is told of each batch first, in the frame of a step that took part */
  constructor(inner: BatchObserver, nameOf: (sha256: string) => string) {
    this.#inner = inner;
    this.#nameOf = nameOf;
  }

  mark(): WorkSpan | undefined {
    return spanNow();
  }

  batchRan(report: BatchReport): void {
    const shares = sharesOf(report);
    const [first] = shares.keys();
    // A batch begins in the frame of whoever came last; what it says of itself is of those that are in it.
    inFrame(first === undefined ? undefined : { fields: {}, span: first }, () => this.#inner.batchRan(report));
    if (first === undefined) return;
    const steps = [...shares.keys()];
    for (const [span, share] of shares) this.#record(report, span, { share, others: steps.filter((step) => step !== span) });
  }

  #record(report: BatchReport, span: WorkSpan, { share, others }: { readonly share: Share; readonly others: readonly WorkSpan[] }): void {
    const count = (this.#recorded.get(span) ?? 0) + 1;
    if (count > MOST_BATCHES) return;
    this.#recorded.set(span, count);
    const { startedAt, endedAt, runMs, ranAt } = report;
    span.record('planner wait', { startedAt: startedAt - share.longestWaitMs, endedAt: startedAt });
    const batch = span.record('batch', {
      startedAt,
      endedAt,
      attributes: { ...this.#attributesOf(report, share), ...(count === MOST_BATCHES ? { 'rerank.batch.last_recorded': true } : {}) },
      links: others.slice(0, MOST_LINKS),
    });
    const times = ranAt === undefined ? undefined : { startedAt: ranAt, endedAt: ranAt + runMs };
    const ran = times === undefined ? { startedAt: endedAt - runMs, endedAt } : stretchWithin({ startedAt, endedAt }, times);
    batch.record('inference thread', ran);
  }

  #attributesOf({ model, segment, sequences, paddedTokens, budget, ...times }: BatchReport, { pairs, tokens }: Share): SpanAttributes {
    return {
      'rerank.model': this.#nameOf(model),
      'rerank.pairs': pairs,
      'rerank.tokens': tokens,
      'rerank.batch.pairs': sequences.length,
      'rerank.batch.padded_tokens': paddedTokens,
      'rerank.batch.budget_tokens': budget,
      'rerank.batch.run_ms': times.runMs,
      'rerank.batch.thread_wait_ms': Math.max(0, times.endedAt - times.startedAt - times.runMs),
      ...(segment === undefined ? {} : { 'rerank.batch.segment': segment }),
    };
  }
}

function sharesOf({ sequences }: BatchReport): Map<WorkSpan, Share> {
  const shares = new Map<WorkSpan, Share>();
  for (const { mark, length, waitMs } of sequences) {
    if (!(mark instanceof WorkSpan)) continue;
    const share = shares.get(mark) ?? { pairs: 0, tokens: 0, longestWaitMs: 0 };
    share.pairs += 1;
    share.tokens += length;
    share.longestWaitMs = Math.max(share.longestWaitMs, waitMs);
    shares.set(mark, share);
  }
  return shares;
}
