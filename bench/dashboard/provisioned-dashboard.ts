import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import type { PrometheusClient, PrometheusSeries, TimeRange } from '../../test/support/prometheus-client.ts';

const GRAFANA = new URL('../../docker/observability/grafana/', import.meta.url);
/** The data source says how often is scraped; Grafana takes no rate over less than four scrapes, and draws no two points nearer than one. */
const SCRAPES_OF_A_RATE = 4;

const dashboardSchema = z.object({
  title: z.string(),
  panels: z.array(
    z.object({
      type: z.enum(['row', 'timeseries']),
      title: z.string(),
      description: z.string().optional(),
      gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
      fieldConfig: z
        .object({
          defaults: z.object({
            unit: z.string(),
            thresholds: z.object({ steps: z.array(z.object({ value: z.number().nullable() })) }).optional(),
          }),
        })
        .optional(),
      targets: z.array(z.object({ expr: z.string(), legendFormat: z.string() })).default([]),
    }),
  ),
});
const sourcesSchema = z.object({
  datasources: z.tuple([z.object({ jsonData: z.object({ timeInterval: z.string().regex(/^\d+s$/) }) })]),
});

export type Panel = z.output<typeof dashboardSchema>['panels'][number];

export interface Dashboard {
  readonly title: string;
  readonly panels: readonly Panel[];
  /** Seconds between two scrapes. */
  readonly scrapeS: number;
}

export interface PanelLine {
  /** As the legend has it. */
  readonly name: string;
  readonly points: PrometheusSeries['points'];
}

/** A panel with what its queries gave. */
export interface FilledPanel extends Panel {
  readonly lines: readonly PanelLine[];
  /** Queries that gave nothing. */
  readonly empty: readonly string[];
}

/** The dashboard and the data source that Grafana is provisioned with. */
export async function readDashboard(): Promise<Dashboard> {
  const [dashboard, sources] = await Promise.all([
    readFile(new URL('dashboards/fleet.json', GRAFANA), 'utf8'),
    readFile(new URL('provisioning/datasources/prometheus.yml', GRAFANA), 'utf8'),
  ]);
  const [{ jsonData }] = sourcesSchema.parse(parse(sources)).datasources;
  return { ...dashboardSchema.parse(JSON.parse(dashboard)), scrapeS: Number.parseInt(jsonData.timeInterval, 10) };
}

/**
 * Asks Prometheus what Grafana would ask it, panel by panel.
 *
 * @throws Error at a query that Prometheus refuses
 */
export async function fillPanels(
  { panels, scrapeS }: Dashboard,
  client: PrometheusClient,
  span: Omit<TimeRange, 'step'>,
): Promise<FilledPanel[]> {
  const range = { start: Math.ceil(span.start / scrapeS) * scrapeS, end: span.end, step: scrapeS };
  const rateInterval = `${Math.max(scrapeS * SCRAPES_OF_A_RATE, range.step + scrapeS)}s`;
  const filled: FilledPanel[] = [];
  for (const panel of panels) {
    const lines: PanelLine[] = [];
    const empty: string[] = [];
    for (const { expr, legendFormat } of panel.targets) {
      const series = await client.range(expr.replaceAll('$__rate_interval', rateInterval), range);
      const drawn = series.map(({ labels, points }) => ({
        name: nameOf(legendFormat, labels),
        points: points.filter(([, value]) => !Number.isNaN(value)),
      }));
      const seen = drawn.filter(({ points }) => points.length > 0);
      if (seen.length === 0) empty.push(legendFormat);
      lines.push(...seen.sort((a, b) => a.name.localeCompare(b.name, 'en')));
    }
    filled.push({ ...panel, lines, empty });
  }
  return filled;
}

function nameOf(legend: string, labels: Readonly<Record<string, string>>): string {
  return legend.replaceAll(/\{\{(\w+)\}\}/g, (_all, label: string) => labels[label] ?? '');
}
