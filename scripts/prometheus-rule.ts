import { parse, stringify } from 'yaml';

/** Text of the PrometheusRule of Kubernetes, made of the rules that Prometheus reads in docker-compose.yml; not yet formatted. */
export function renderPrometheusRule(alerts: string): string {
  const { groups } = parse(alerts) as { readonly groups: readonly object[] };
  const rule = { apiVersion: 'monitoring.coreos.com/v1', kind: 'PrometheusRule', metadata: { name: 'rerank-fleet' }, spec: { groups } };
  return `# Written by \`npm run docs\` from docker/observability/alerts.yml.\n${stringify(rule, { lineWidth: 0 })}`;
}
