/**
 * Writes what is generated from the code: `.env.example`, docs/configuration.md, docs/cli.md, docs/observability.md, the dashboard, and the alerts as Kubernetes
 * takes them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildProgram, renderCliPage } from '@rerank-fleet/cli';
import { renderConfigurationPage, renderEnvExample } from '@rerank-fleet/core/config';
import { renderObservabilityPage } from '@rerank-fleet/core/observability';
import { format, resolveConfig } from 'prettier';
import { renderDashboard } from './fleet-dashboard.ts';
import { renderPrometheusRule } from './prometheus-rule.ts';

const root = new URL('../', import.meta.url);
writeFileSync(new URL('.env.example', root), renderEnvExample());
writeFileSync(new URL('docs/configuration.md', root), renderConfigurationPage());
await writeFormatted('docs/cli.md', renderCliPage(buildProgram()));
await writeFormatted('docs/observability.md', renderObservabilityPage());
await writeFormatted('docker/observability/grafana/dashboards/fleet.json', renderDashboard(), 'json');
const alerts = readFileSync(new URL('docker/observability/alerts.yml', root), 'utf8');
await writeFormatted('k8s/components/monitoring/prometheus-rule.yaml', renderPrometheusRule(alerts), 'yaml');

async function writeFormatted(file: string, text: string, parser: 'markdown' | 'json' | 'yaml' = 'markdown'): Promise<void> {
  const page = new URL(file, root);
  const style = (await resolveConfig(fileURLToPath(page))) ?? {};
  writeFileSync(page, await format(text, { ...style, parser }));
}
