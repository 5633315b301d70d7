import { API_METRICS, MetricSet, WORKER_METRICS, type MetricDefinition } from '@rerank-fleet/core/observability';
import { format, resolveConfig } from 'prettier';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { renderDashboard } from '../../scripts/fleet-dashboard.ts';
import { renderPrometheusRule } from '../../scripts/prometheus-rule.ts';
import { parsePrometheus } from '../support/prometheus-text.ts';
import { read } from './project-facts.ts';
import { readPromQl } from './promql.ts';

const DASHBOARD = 'docker/observability/grafana/dashboards/fleet.json';
const RULE = 'k8s/components/monitoring/prometheus-rule.yaml';
const ALERTS = 'docker/observability/alerts.yml';

const alertsSchema = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^RerankFleet[A-Z]\w+$/),
          expr: z.string(),
          for: z.string().regex(/^\d+m$/),
          labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
          annotations: z.strictObject({ summary: z.string() }),
        }),
      ),
    }),
  ),
});
const alerts = alertsSchema.parse(parse(read(ALERTS))).groups.flatMap(({ rules }) => rules);

const dashboardSchema = z.looseObject({
  panels: z.array(
    z.looseObject({
      title: z.string(),
      type: z.enum(['row', 'timeseries']),
      gridPos: z.strictObject({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
      targets: z.array(z.looseObject({ expr: z.string(), legendFormat: z.string() })).optional(),
      fieldConfig: z
        .looseObject({
          defaults: z.looseObject({
            thresholds: z.looseObject({ steps: z.array(z.looseObject({ value: z.number().nullable() })) }).optional(),
          }),
        })
        .optional(),
    }),
  ),
});
const panels = dashboardSchema.parse(JSON.parse(read(DASHBOARD))).panels;
const lines = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr, legendFormat }) => ({ title, expr, legend: legendFormat })));

/** Names on the wire to labels: a histogram has three names. */
const OURS = new Map(
  [WORKER_METRICS, API_METRICS]
    .flatMap((definitions) => Object.values<MetricDefinition>(definitions))
    .flatMap(({ name, type, labels }): [string, readonly string[]][] =>
      type === 'histogram'
        ? [
            [`${name}_bucket`, [...labels, 'le']],
            [`${name}_sum`, labels],
            [`${name}_count`, labels],
          ]
        : [[name, labels]],
    ),
);
/** Labels that Prometheus itself puts on what it scrapes. */
const SCRAPED = ['instance', 'job', 'namespace', 'pod'];

async function processMetrics(): Promise<ReadonlySet<string>> {
  const metrics = new MetricSet(API_METRICS);
  metrics.addProcessMetrics();
  return new Set([...parsePrometheus(await metrics.text()).keys()].filter((name) => !name.startsWith('rerank_fleet_')));
}

/** Names and labels of an expression that nobody exports. */
async function unknownTo(expr: string): Promise<readonly string[]> {
  const { metrics, labels } = readPromQl(expr);
  const processes = await processMetrics();
  const known = new Set([...SCRAPED, ...metrics.flatMap((name) => OURS.get(name) ?? [])]);
  return [...metrics.filter((name) => !OURS.has(name) && !processes.has(name)), ...labels.filter((label) => !known.has(label))];
}

describe('alerts', () => {
  it('are read as Prometheus reads them, and ask for metrics and labels that there are', async () => {
    expect(alerts.length).toBeGreaterThan(8);
    for (const { alert, expr } of alerts) expect([alert, await unknownTo(expr)]).toEqual([alert, []]);
  });

  it('are the same in Kubernetes', async () => {
    const style = (await resolveConfig(RULE)) ?? {};
    expect(read(RULE)).toBe(await format(renderPrometheusRule(read(ALERTS)), { ...style, parser: 'yaml' }));
  });

  it('are each told of in docs/operations.md, and no other is', () => {
    const told = [...read('docs/operations.md').matchAll(/^### (RerankFleet\w+)$/gm)].map(([, name]) => name);
    expect(told).toEqual(alerts.map(({ alert }) => alert));
  });

  it('name in their text labels that their expression leaves', () => {
    for (const { alert, expr, annotations } of alerts) {
      const named = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label);
      const { labels } = readPromQl(expr);
      expect([alert, named.filter((label) => !labels.includes(label) && label !== 'instance')]).toEqual([alert, []]);
    }
  });
});

describe('the dashboard', () => {
  it('is what `npm run docs` writes', async () => {
    const style = (await resolveConfig(DASHBOARD)) ?? {};
    expect(read(DASHBOARD)).toBe(await format(renderDashboard(), { ...style, parser: 'json' }));
  });

  it('asks for metrics and labels that there are', async () => {
    expect(lines.length).toBeGreaterThan(25);
    for (const { title, expr } of lines) expect([title, await unknownTo(expr)]).toEqual([title, []]);
  });

  it('names lines by labels that their expression leaves', () => {
    for (const { title, expr, legend } of lines) {
      const named = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
      const known = [...readPromQl(expr).labels, ...SCRAPED];
      expect([title, named.filter((label) => !known.includes(label))]).toEqual([title, []]);
    }
  });

  it('draws its lines where the alerts begin', () => {
    const drawn = panels.flatMap(({ title, fieldConfig }) =>
      (fieldConfig?.defaults.thresholds?.steps ?? []).map(({ value }) => [title, value]),
    );
    const begins = (name: string): number => Number(/> ([\d.]+)$/.exec(alerts.find(({ alert }) => alert === name)?.expr ?? '')?.[1]);
    expect(drawn.filter(([, value]) => value !== null)).toEqual([
      ['Time of a call', begins('RerankFleetSlowAnswers')],
      ['Turned away', begins('RerankFleetTurnedAway')],
      ['Age of the next task', begins('RerankFleetCallsWait')],
    ]);
  });

  it('lays no panel over another', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  });
});

describe('what is provisioned', () => {
  it('scrapes the port that the images listen on', () => {
    const { scrape_configs: jobs } = parse(read('docker/observability/prometheus.yml')) as {
      readonly scrape_configs: readonly {
        readonly dns_sd_configs: readonly { readonly port: number; readonly names: readonly string[] }[];
      }[];
    };
    const found = jobs.flatMap(({ dns_sd_configs: services }) => services);
    const port = Number(/OPS_PORT=(\d+)/.exec(read('docker/Dockerfile'))?.[1]);
    expect(found.map((service) => service.port)).toEqual(found.map(() => port));
    const compose = parse(read('docker-compose.yml'), { merge: true }) as { readonly services: object };
    expect(found.flatMap(({ names }) => names).filter((name) => !Object.hasOwn(compose.services, name))).toEqual([]);
  });
});

describe(readPromQl, () => {
  it('finds metrics and labels', () => {
    const query = readPromQl('sum by (pool) (rate(a_total{code="x"}[5m])) / on (pool) max by (pool) (b)');
    expect(query.metrics).toEqual(['a_total', 'b']);
    expect([...query.labels].sort()).toEqual(['code', 'pool']);
  });

  it('refuses what is no PromQL', () => {
    expect(() => readPromQl('sum by (pool (a)')).toThrow(SyntaxError);
  });

  it('comes before a look that finds what nobody exports', async () => {
    expect(await unknownTo('rate(rerank_fleet_batches[5m])')).toEqual(['rerank_fleet_batches']);
    expect(await unknownTo('sum by (tenant) (rerank_fleet_batches_total)')).toEqual(['tenant']);
    expect(await unknownTo('process_resident_memory_bytes{job="a"}')).toEqual([]);
  });
});
