import type { MetricDefinition, MetricDefinitions } from './metric-definition.js';
import { API_METRICS, WORKER_METRICS } from './metrics.js';

/** Text of `docs/metrics.md`. */
export function renderMetricsTables(): string {
  return [section('Worker', WORKER_METRICS), section('API', API_METRICS)].join('\n\n');
}

function section(title: string, definitions: MetricDefinitions): string {
  const rows = Object.values<MetricDefinition>(definitions).map(
    ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ') || '–'} | ${help} |`,
  );
  return `### ${title}\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n${rows.join('\n')}`;
}
