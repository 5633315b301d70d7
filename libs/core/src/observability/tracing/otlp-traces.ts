import { diag, DiagLogLevel, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, resourceAttributesEnvDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
} from '@opentelemetry/sdk-trace';
import type { TracesSampler } from '../../config/index.js';
import { LinkedSampler } from './linked-sampler.js';

export interface OtlpTracesOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly sampler: TracesSampler;
  /** Share of traces, 0 to 1, where the sampler takes one. */
  readonly ratio: number;
  readonly resource: Readonly<Record<string, string | number>>;
  /** Called when spans could not be sent, and were dropped. */
  readonly onFault: () => void;
}

/** Spans that wait to be sent; more are dropped. */
const MOST_WAITING = 4_096;
const BATCH_SPANS = 512;
const SEND_EVERY_MS = 2_000;
const SEND_WITHIN_MS = 10_000;
/** Longer values are cut: names are short, and nothing else belongs into a span. */
const LONGEST_VALUE = 256;

/** Sends spans as OTLP JSON over HTTP, for the whole process. Resolves what ends it to when all that waits was sent. */
export function startOtlpTraces({ url, headers, sampler, ratio, resource, onFault }: OtlpTracesOptions): () => Promise<void> {
  // The SDK says here, and nowhere else, that a receiver is away.
  const quiet = (): void => undefined;
  const logger = { error: onFault, warn: onFault, info: quiet, debug: quiet, verbose: quiet };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const exporter = new OTLPTraceExporter({ url, headers: { ...headers }, timeoutMillis: SEND_WITHIN_MS });
  const provider = new TracerProvider({
    sampler: new LinkedSampler(samplerOf(sampler, ratio)),
    // OTEL_RESOURCE_ATTRIBUTES, as its specification has it.
    resource: detectResources({ detectors: [resourceAttributesEnvDetector] }).merge(resourceFromAttributes({ ...resource })),
    spanLimits: { attributeValueLengthLimit: LONGEST_VALUE },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: MOST_WAITING,
        maxExportBatchSize: BATCH_SPANS,
        scheduledDelayMillis: SEND_EVERY_MS,
        exportTimeoutMillis: SEND_WITHIN_MS,
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  return () => provider.shutdown();
}

function samplerOf(name: TracesSampler, ratio: number): Sampler {
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler();
    case 'always_off':
      return new AlwaysOffSampler();
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio);
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) });
  }
}
