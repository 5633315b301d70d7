import { randomUUID } from 'node:crypto';
import type { Config } from '../../config/index.js';
import type { Logger } from '../logger.js';

export interface TracingOptions {
  readonly config: Config['tracing'];
  /** `api` or `worker`. */
  readonly process: string;
  readonly version: string;
  /** Further facts of the process that hold for all its spans. */
  readonly facts?: Readonly<Record<string, string>>;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

export interface Tracing {
  /** Sends what waits, for a short while. */
  close(): Promise<void>;
}

const CLOSE_WITHIN_MS = 1_500;
const FAULT_PAUSE_MS = 60_000;

/** Switches traces on where the configuration names a receiver. The SDK is loaded only then. */
export async function openTracing({ config, process: name, version, facts = {}, logger }: TracingOptions): Promise<Tracing> {
  const url = receiverOf(config);
  if (url === undefined) return { close: async () => undefined };
  const { startOtlpTraces } = await import('./otlp-traces.js');
  const stop = startOtlpTraces({
    url,
    headers: Object.fromEntries(Object.entries(config.headers).map(([header, value]) => [header, value.reveal()])),
    sampler: config.sampler,
    ratio: config.samplerRatio,
    resource: {
      'service.name': config.serviceName ?? `rerank-fleet-${name}`,
      'service.version': version,
      'service.instance.id': randomUUID(),
      'process.pid': process.pid,
      ...facts,
    },
    onFault: faultLog(logger),
  });
  logger.info({ sampler: config.sampler }, 'Traces are sent by OTLP.');
  return {
    close: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_WITHIN_MS)));
      await Promise.race([stop().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

/** As the specification of the exporter says: the one for traces as it is, the common one with the path of traces behind it. */
export function receiverOf({ disabled, endpoint, tracesEndpoint }: Config['tracing']): string | undefined {
  if (disabled) return undefined;
  if (tracesEndpoint !== undefined) return tracesEndpoint;
  return endpoint === undefined ? undefined : `${endpoint.replace(/\/$/, '')}/v1/traces`;
}

/** At most once a minute: a receiver that is away fails every few seconds. What the SDK says may name the address, so only that it failed is told. */
function faultLog(logger: Pick<Logger, 'warn'>): () => void {
  let quietUntil = 0;
  return () => {
    if (performance.now() < quietUntil) return;
    quietUntil = performance.now() + FAULT_PAUSE_MS;
    logger.warn(
      'Spans could not be sent and were dropped; is the receiver of OTEL_EXPORTER_OTLP_ENDPOINT there? Nothing else is affected.',
    );
  };
}
