/** The dashboard that docker-compose.yml provisions. Written by `npm run docs`; every metric in it is checked against those that there are. */

type Unit = 'short' | 'reqps' | 's' | 'percentunit' | 'bytes' | 'ops';

interface Panel {
  readonly title: string;
  readonly unit: Unit;
  /** Legend to PromQL. */
  readonly lines: Readonly<Record<string, string>>;
  readonly says?: string;
  /** From where an alert counts. */
  readonly alertAbove?: number;
}

const RATE = '$__rate_interval';
const CALLS = 'route=~".*/(rerank|search)"';
const TASKS_OF_CALLS = 'kind=~"rerank|search"';
/** The usual and the worst; `matcher` as within the braces of PromQL. */
const quantiles = (metric: string, by: string, matcher?: string): Record<string, string> =>
  Object.fromEntries(
    [0.5, 0.99].map((part) => [
      `p${part * 100} {{${by}}}`,
      `histogram_quantile(${part}, sum by (le, ${by}) (rate(${metric}_bucket${matcher === undefined ? '' : `{${matcher}}`}[${RATE}])))`,
    ]),
  );
const rateOf = (metric: string, by: string): string => `sum by (${by}) (rate(${metric}[${RATE}]))`;

const ROWS: Readonly<Record<string, readonly Panel[]>> = {
  Calls: [
    { title: 'Answers', unit: 'reqps', lines: { '{{status}}': rateOf('rerank_fleet_http_requests_total', 'status') } },
    { title: 'Errors by code', unit: 'reqps', lines: { '{{code}}': rateOf('rerank_fleet_errors_total', 'code') } },
    { title: 'Time of a call', unit: 's', lines: quantiles('rerank_fleet_http_request_duration_seconds', 'route', CALLS), alertAbove: 10 },
    {
      title: 'Turned away',
      unit: 'reqps',
      lines: { '{{reason}}': rateOf('rerank_fleet_admission_refused_total', 'reason') },
      says: 'Before any work, by the bound that was met.',
      alertAbove: 0.1,
    },
  ],
  Fleet: [
    {
      title: 'Workers',
      unit: 'short',
      lines: {
        'live {{pool}}': 'max by (pool) (rerank_fleet_workers_live{state="ready"})',
        'needed {{pool}}': 'max by (pool) (rerank_fleet_desired_workers)',
      },
      says: 'Needed is what /v1/scaling answers.',
    },
    {
      title: 'Outstanding tokens',
      unit: 'short',
      lines: { '{{pool}} {{kind}}': 'max by (pool, kind) (rerank_fleet_outstanding_tokens)' },
    },
    {
      title: 'Age of the next task',
      unit: 's',
      lines: { '{{queue}}': 'max by (queue) (rerank_fleet_queue_next_task_age_seconds)' },
      says: 'Rises before deadlines are missed. The line is for calls: batch jobs wait for hours, that is what they are for.',
      alertAbove: 5,
    },
    {
      title: 'Tasks',
      unit: 'short',
      lines: {
        'waiting {{queue}}': 'max by (queue) (rerank_fleet_queue_tasks_waiting)',
        'in hand {{queue}}': 'max by (queue) (rerank_fleet_queue_tasks_active)',
      },
    },
  ],
  Engine: [
    {
      title: 'Pairs scored',
      unit: 'ops',
      lines: { '{{model}} {{priority}}': rateOf('rerank_fleet_pairs_scored_total', 'model, priority') },
    },
    {
      title: 'Batch fill',
      unit: 'percentunit',
      lines: {
        '{{model}}': `sum by (model) (rate(rerank_fleet_batch_fill_ratio_sum[${RATE}])) / sum by (model) (rate(rerank_fleet_batch_fill_ratio_count[${RATE}]))`,
      },
      says: 'Near 1 under load. Small batches on an idle worker are no fault.',
    },
    {
      title: 'Share of layers run',
      unit: 'percentunit',
      lines: {
        '{{model}}': `sum by (model) (rate(rerank_fleet_early_exit_layers_run_total[${RATE}])) / sum by (model) (rate(rerank_fleet_early_exit_layers_possible_total[${RATE}]))`,
      },
      says: 'Of requests with effort balanced or fast.',
    },
    {
      title: 'Pairs that stay at a cut',
      unit: 'percentunit',
      lines: {
        '{{model}} after layer {{layer}}': `sum by (model, layer) (rate(rerank_fleet_early_exit_pairs_total{outcome="stayed"}[${RATE}])) / sum by (model, layer) (rate(rerank_fleet_early_exit_pairs_total[${RATE}]))`,
      },
    },
    {
      title: 'Predictions off',
      unit: 'short',
      lines: {
        '{{model}} after layer {{layer}}': `sum by (model, layer) (rate(rerank_fleet_early_exit_prediction_error_sigmas_sum[${RATE}])) / sum by (model, layer) (rate(rerank_fleet_early_exit_prediction_error_sigmas_count[${RATE}]))`,
      },
      says: 'In standard deviations of the fit, 0.8 on average where texts are like those of the fit. When it grows, fit the heads again.',
    },
    {
      title: 'Ran all layers',
      unit: 'reqps',
      lines: { '{{reason}}': rateOf('rerank_fleet_early_exit_full_total', 'reason') },
      says: 'Although effort balanced or fast was asked for, by the reason.',
    },
    {
      title: 'Padding waste',
      unit: 'percentunit',
      lines: {
        '{{model}}': `1 - ${rateOf('rerank_fleet_batch_tokens_total', 'model')} / ${rateOf('rerank_fleet_batch_padded_tokens_total', 'model')}`,
      },
    },
    { title: 'Pairs in planners', unit: 'short', lines: { all: 'sum(rerank_fleet_planner_pairs_waiting)' } },
  ],
  'Steps of a request, in their order': [
    { title: 'In the queue', unit: 's', lines: quantiles('rerank_fleet_queue_wait_seconds', 'kind', TASKS_OF_CALLS) },
    { title: 'Retrieve', unit: 's', lines: quantiles('rerank_fleet_retrieve_seconds', 'mode') },
    { title: 'Tokenize', unit: 's', lines: quantiles('rerank_fleet_tokenize_seconds', 'kind') },
    { title: 'In the planner', unit: 's', lines: quantiles('rerank_fleet_planner_wait_seconds', 'priority') },
    { title: 'In the model', unit: 's', lines: quantiles('rerank_fleet_model_run_seconds', 'model') },
    { title: 'Task in all', unit: 's', lines: quantiles('rerank_fleet_task_duration_seconds', 'kind', TASKS_OF_CALLS) },
    {
      title: 'Parts of jobs and uploads',
      unit: 's',
      lines: quantiles('rerank_fleet_task_duration_seconds', 'kind', 'kind!~"rerank|search"'),
      says: 'In the hand of a worker. Nobody waits for one; it makes way for calls.',
    },
  ],
  'Score cache': [
    {
      title: 'Hit rate',
      unit: 'percentunit',
      lines: {
        '{{tier}}': `${rateOf('rerank_fleet_score_cache_hits_total', 'tier')} / (${rateOf('rerank_fleet_score_cache_hits_total', 'tier')} + ${rateOf('rerank_fleet_score_cache_misses_total', 'tier')})`,
      },
    },
    {
      title: 'Scores in memory',
      unit: 'short',
      lines: { '{{instance}}': 'rerank_fleet_score_cache_entries' },
    },
    {
      title: 'Failures',
      unit: 'ops',
      lines: {
        'score cache': `sum(rate(rerank_fleet_score_cache_failures_total[${RATE}]))`,
        'scrapes {{collector}}': rateOf('rerank_fleet_scrape_failures_total', 'collector'),
      },
    },
  ],
  Processes: [
    { title: 'Memory', unit: 'bytes', lines: { '{{job}} {{instance}}': 'process_resident_memory_bytes' } },
    { title: 'CPU, cores', unit: 'short', lines: { '{{job}} {{instance}}': `rate(process_cpu_seconds_total[${RATE}])` } },
    {
      title: 'Event loop, p99',
      unit: 's',
      lines: { '{{job}} {{instance}}': 'nodejs_eventloop_lag_p99_seconds' },
      says: 'Of a worker: its locks are renewed on this loop.',
    },
  ],
};

const COLUMNS = 24;
const MOST_ABREAST = 4;
const HEIGHT = 8;

/** Text of `docker/observability/grafana/dashboards/fleet.json`, not yet formatted. */
export function renderDashboard(): string {
  const panels: object[] = [];
  let y = 0;
  for (const [row, list] of Object.entries(ROWS)) {
    panels.push({ id: panels.length + 1, type: 'row', title: row, collapsed: false, gridPos: { x: 0, y, w: COLUMNS, h: 1 }, panels: [] });
    y += 1;
    for (const abreast of inEvenRows(list)) {
      const w = COLUMNS / abreast.length;
      for (const [position, panel] of abreast.entries()) {
        panels.push(graph(panel, { id: panels.length + 1, gridPos: { x: position * w, y, w, h: HEIGHT } }));
      }
      y += HEIGHT;
    }
  }
  return JSON.stringify({
    uid: 'rerank-fleet',
    title: 'rerank-fleet',
    tags: ['rerank-fleet'],
    timezone: 'browser',
    editable: false,
    graphTooltip: 1,
    refresh: '15s',
    schemaVersion: 41,
    time: { from: 'now-1h', to: 'now' },
    templating: { list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }] },
    annotations: { list: [] },
    panels,
  });
}

/** As few rows as there can be, no two of which differ by more than one panel. */
function inEvenRows(list: readonly Panel[]): readonly (readonly Panel[])[] {
  const rows = Math.ceil(list.length / MOST_ABREAST);
  const start = (row: number): number => Math.ceil((row * list.length) / rows);
  return Array.from({ length: rows }, (_, row) => list.slice(start(row), start(row + 1)));
}

function graph({ title, unit, lines, says, alertAbove }: Panel, place: object): object {
  const datasource = { type: 'prometheus', uid: '${datasource}' };
  return {
    ...place,
    type: 'timeseries',
    title,
    ...(says === undefined ? {} : { description: says }),
    datasource,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        custom: { fillOpacity: 8, showPoints: 'never', ...(alertAbove === undefined ? {} : { thresholdsStyle: { mode: 'dashed' } }) },
        ...(alertAbove === undefined ? {} : { thresholds: thresholdsOf(alertAbove) }),
      },
      overrides: [],
    },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: Object.entries(lines).map(([legendFormat, expr], position) => ({
      refId: String.fromCharCode(65 + position),
      datasource,
      expr,
      legendFormat,
    })),
  };
}

const thresholdsOf = (above: number): object => ({
  mode: 'absolute',
  steps: [
    { color: 'transparent', value: null },
    { color: 'red', value: above },
  ],
});
