/**
 * The provisioned dashboard as a picture: a fleet of its own under a light load of every kind, scraped by a real Prometheus with the compose file's configuration; then
 * each panel's own queries, as Grafana would ask them, drawn in the dashboard's own grid. Fails if Prometheus refuses a query or an alert, or a panel stays empty.
 *
 *   npm run bench:dashboard [-- --svg docs/dashboard.svg --minutes 8 --prometheus path/of/prometheus]
 *   npm run bench:dashboard -- --url http://127.0.0.1:9090 --svg mine.svg [--until 2026-11-21T17:00:00Z]       the last minutes of a fleet that runs
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { RerankClient } from '@rerank-fleet/client';
import { PrometheusClient } from '../../test/support/prometheus-client.ts';
import { PrometheusServer } from '../../test/support/prometheus-server.ts';
import { findOpsPorts } from '../support/ops-ports.ts';
import { describeMachine, printTable } from '../support/report.ts';
import { withOwnStack } from '../support/with-stack.ts';
import { drawDashboard } from './draw-dashboard.ts';
import { LOAD_SETTINGS, MixedLoad } from './mixed-load.ts';
import { fillPanels, readDashboard, type FilledPanel } from './provisioned-dashboard.ts';

const WORKERS = 2;
const { values: flags } = parseArgs({
  options: {
    svg: { type: 'string' },
    minutes: { type: 'string', default: '8' },
    prometheus: { type: 'string', default: 'prometheus' },
    url: { type: 'string' },
    until: { type: 'string' },
  },
});
const runMs = Number(flags.minutes) * 60_000;
const dashboard = await readDashboard();

console.log(`${describeMachine()}\n`);
if (flags.url === undefined) await measureOwnFleet();
else
  await draw(
    new PrometheusClient(flags.url),
    ((flags.until === undefined ? Date.now() : Date.parse(flags.until)) - runMs) / 1_000,
    'a fleet that runs',
  );

async function measureOwnFleet(): Promise<void> {
  const opsPort = await findOpsPorts(WORKERS + 1);
  const address = (at: number): string => `127.0.0.1:${opsPort + at}`;
  await withOwnStack(
    async (stack) => {
      const load = await MixedLoad.prepare(new RerankClient({ baseUrl: stack.url, retries: 0 }));
      const server = await PrometheusServer.start({
        targets: { 'rerank-fleet-api': [address(0)], 'rerank-fleet-worker': Array.from({ length: WORKERS }, (_, at) => address(at + 1)) },
        command: flags.prometheus,
      });
      try {
        const start = Date.now() / 1_000;
        const outcome = await load.run(runMs);
        console.log(
          `calls: ${Object.entries(outcome)
            .map(([code, count]) => `${count} ${code}`)
            .join(', ')}\n`,
        );
        await draw(
          new PrometheusClient(server.url),
          start,
          `an API and ${WORKERS} workers with the default models, under a light load of calls, searches, a batch job, an upload, mistakes, and bursts that are partly turned away`,
        );
      } finally {
        await server.stop();
      }
    },
    LOAD_SETTINGS,
    { opsPort, workers: WORKERS },
  );
}

async function draw(client: PrometheusClient, start: number, of: string): Promise<void> {
  const end = start + runMs / 1_000;
  const panels = await fillPanels(dashboard, client, { start, end });
  const version = await client.version();
  report(panels);
  await checkAlerts(client);
  if (flags.svg === undefined) return;
  const says = [
    `${flags.minutes} minutes of ${of}; ${describeMachine()}.`,
    `The queries of the provisioned dashboard (docker/observability/grafana), answered by Prometheus ${version}; drawn by bench/dashboard in the dashboard’s grid, not by Grafana.`,
    'Rates and quantiles are over a minute. Dashed red: from where an alert counts.',
  ];
  await writeFile(flags.svg, drawDashboard({ title: dashboard.title, says, panels, span: { start, end, step: dashboard.scrapeS } }));
}

function report(panels: readonly FilledPanel[]): void {
  const graphs = panels.filter(({ type }) => type === 'timeseries');
  printTable(
    ['panel', 'lines', 'highest', 'queries without a value'],
    graphs.map(({ title, lines, empty }) => {
      const highest = Math.max(0, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
      return [title, String(lines.length), String(Number(highest.toPrecision(3))), empty.join(', ')];
    }),
  );
  const without = graphs.filter(({ lines }) => lines.length === 0).map(({ title }) => title);
  console.log(without.length === 0 ? '\nNo panel is empty.' : `\nEmpty: ${without.join(', ')}.`);
  if (without.length > 0) process.exitCode = 1;
}

async function checkAlerts(client: PrometheusClient): Promise<void> {
  const rules = await client.rules();
  const bad = rules.filter(({ health }) => health !== 'ok');
  const states = rules.filter(({ state }) => state !== 'inactive').map(({ name, state }) => `${name} is ${state}`);
  console.log(`${rules.length} alerts are evaluated; ${states.length === 0 ? 'none fires' : states.join(', ')}.`);
  for (const { name, health, lastError } of bad) console.log(`${name}: ${health} ${lastError ?? ''}`);
  if (bad.length > 0 || rules.length === 0) process.exitCode = 1;
}
