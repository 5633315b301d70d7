import { isSpanContextValid, trace, TraceFlags, type Attributes, type Context, type Link, type SpanKind } from '@opentelemetry/api';
import { SamplingDecision, type Sampler, type SamplingResult } from '@opentelemetry/sdk-trace';

/** Samples a trace that another one caused as that one was: the slices of a job are recorded if its submission was. */
export class LinkedSampler implements Sampler {
  readonly #others: Sampler;

  /** @param others decides over all other spans */
  constructor(others: Sampler) {
    this.#others = others;
  }

  shouldSample(
    context: Context,
    traceId: string,
    ...[name, kind, attributes, links]: [string, SpanKind, Attributes, Link[]]
  ): SamplingResult {
    const parent = trace.getSpanContext(context);
    const [cause] = links;
    if (cause === undefined || (parent !== undefined && isSpanContextValid(parent)))
      return this.#others.shouldSample(context, traceId, name, kind, attributes, links);
    const sampled = (cause.context.traceFlags & TraceFlags.SAMPLED) !== 0;
    return { decision: sampled ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD };
  }

  toString(): string {
    return `LinkedSampler{${this.#others.toString()}}`;
  }
}
