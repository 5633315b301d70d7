import { Registry, type Metric, type OpenMetricsContentType } from 'prom-client';

/** `openmetrics` (1.0) has examples of traces; scrapers that can read it say so. */
export type MetricsFormat = 'prometheus' | 'openmetrics';

export const CONTENT_TYPES: Readonly<Record<MetricsFormat, string>> = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

/** Of this type, as prom-client takes exemplars in no other. */
export function createRegistry(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

/**
 * What a registry holds. While one answer of it is being made, no other may be: prom-client takes `_total` off the names of the counters themselves to write
 * OpenMetrics. They have it again afterwards.
 */
export async function metricsText(registry: Registry<OpenMetricsContentType>, format: MetricsFormat): Promise<string> {
  const metrics = registry.getMetricsAsArray() as unknown as (Metric & { name: string })[];
  if (format === 'prometheus') {
    const plain = new Registry();
    for (const metric of metrics) plain.registerMetric(metric);
    return await plain.metrics();
  }
  const names = metrics.map(({ name }) => name);
  try {
    return await registry.metrics();
  } finally {
    metrics.forEach((metric, at) => (metric.name = names[at]!));
  }
}

/** Whether a scraper would rather read OpenMetrics than the older text format: by the weights of its `Accept` (RFC 9110, 12.5.1). */
export function prefersOpenMetrics(accept: string | undefined): boolean {
  const weights = { 'application/openmetrics-text': 0, 'text/plain': 0 };
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
    if (type === 'application/openmetrics-text' || type === 'text/plain') weights[type] = Math.max(weights[type], weight);
  }
  return weights['application/openmetrics-text'] > 0 && weights['application/openmetrics-text'] >= weights['text/plain'];
}
