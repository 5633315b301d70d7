import { describe, expect, it } from 'vitest';
import { counter, gauge, seconds, type MetricDefinition } from './metric-definition.js';
import { MetricSet } from './metric-set.js';
import { API_METRICS, WORKER_METRICS } from './metrics.js';

const DEFINITIONS = {
  collectorFailures: API_METRICS.collectorFailures,
  calls: counter('rerank_fleet_calls_total', 'Calls.', ['kind']),
  depth: gauge('rerank_fleet_depth', 'Depth.'),
  wait: seconds('rerank_fleet_wait_seconds', 'Wait.', [], [0.01, 1]),
} as const;

const make = (collectTimeoutMs = 20) => new MetricSet(DEFINITIONS, { collectTimeoutMs });
const line = (text: string, start: string): string | undefined => text.split('\n').find((entry) => entry.startsWith(start));

describe(MetricSet, () => {
  it('counts by label', async () => {
    const metrics = make();
    metrics.instruments.calls.add(2, { kind: 'search' });
    metrics.instruments.calls.add(1, { kind: 'search' });
    expect(line(await metrics.text(), 'rerank_fleet_calls_total{')).toBe('rerank_fleet_calls_total{kind="search"} 3');
  });

  it('takes milliseconds for a metric in seconds', async () => {
    const metrics = make();
    metrics.instruments.wait.observeMs(500);
    const text = await metrics.text();
    expect(line(text, 'rerank_fleet_wait_seconds_sum')).toBe('rerank_fleet_wait_seconds_sum 0.5');
    expect(line(text, 'rerank_fleet_wait_seconds_bucket{le="0.01"}')).toMatch(/ 0$/);
    expect(line(text, 'rerank_fleet_wait_seconds_bucket{le="1"}')).toMatch(/ 1$/);
  });

  it('says nothing of a gauge that was never set', async () => {
    expect(line(await make().text(), 'rerank_fleet_depth ')).toBeUndefined();
  });

  it('reads collected values at each scrape', async () => {
    const metrics = make();
    const { depth } = metrics.instruments;
    let waiting = 3;
    metrics.addCollector({ name: 'queue', gauges: [depth], read: () => Promise.resolve(() => depth.set(waiting)) });
    expect(line(await metrics.text(), 'rerank_fleet_depth ')).toBe('rerank_fleet_depth 3');
    waiting = 4;
    expect(line(await metrics.text(), 'rerank_fleet_depth ')).toBe('rerank_fleet_depth 4');
  });

  it.each([
    ['fails', () => Promise.reject(new Error('away'))],
    ['never answers', () => new Promise<() => void>(() => undefined)],
  ])('leaves out what a collector that %s would have said, counts it, and answers', async (_, fail) => {
    const metrics = make();
    const { depth } = metrics.instruments;
    let read = (): Promise<() => void> => Promise.resolve(() => depth.set(3));
    metrics.addCollector({ name: 'queue', gauges: [depth], read: () => read() });
    const before = await metrics.text();
    expect(line(before, 'rerank_fleet_scrape_failures_total{')).toBe('rerank_fleet_scrape_failures_total{collector="queue"} 0');
    read = fail;
    const text = await metrics.text();
    expect(line(text, 'rerank_fleet_depth ')).toBeUndefined();
    expect(line(text, 'rerank_fleet_scrape_failures_total{')).toBe('rerank_fleet_scrape_failures_total{collector="queue"} 1');
  });

  it('asks collectors once for scrapes at the same time', async () => {
    const metrics = make();
    let reads = 0;
    metrics.addCollector({ name: 'queue', gauges: [], read: () => Promise.resolve(() => void (reads += 1)) });
    const [one, other] = await Promise.all([metrics.text(), metrics.text()]);
    expect([reads, one === other]).toEqual([1, true]);
  });

  it('keeps sets apart', async () => {
    const [one, other] = [make(), make()];
    one.instruments.calls.add(1, { kind: 'search' });
    expect(line(await other.text(), 'rerank_fleet_calls_total{')).toBeUndefined();
  });

  it('tells of the process where it is asked to', async () => {
    const metrics = make();
    metrics.addProcessMetrics();
    expect(Number(line(await metrics.text(), 'process_resident_memory_bytes ')?.split(' ')[1])).toBeGreaterThan(1_000_000);
  });
});

const LABELS = [
  'code',
  'collector',
  'device',
  'kind',
  'layer',
  'layers',
  'method',
  'mode',
  'model',
  'outcome',
  'pool',
  'priority',
  'queue',
  'reason',
  'route',
  'state',
  'status',
  'tier',
];
const UNITS = { counter: /_total$/, gauge: /^rerank_fleet_/, histogram: /_(seconds|ratio|bytes|tokens|pairs|sigmas)$/ } as const;

describe.each([
  ['worker', WORKER_METRICS],
  ['API', API_METRICS],
])('metrics of the %s', (_, definitions) => {
  it.each(Object.values<MetricDefinition>(definitions))('$name has a unit, a sentence and labels of few values', (definition) => {
    expect(definition.name).toMatch(/^rerank_fleet_[a-z_]+$/);
    expect(definition.name).toMatch(UNITS[definition.type]);
    expect(definition.help).toMatch(/^[A-Z0-9].*\.$/);
    expect(definition.help).not.toContain('|');
    expect(LABELS).toEqual(expect.arrayContaining([...definition.labels]));
    expect(definition.buckets ?? []).toEqual([...(definition.buckets ?? [])].sort((a, b) => a - b));
  });

  it('uses each name once', () => {
    const names = Object.values<MetricDefinition>(definitions).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
