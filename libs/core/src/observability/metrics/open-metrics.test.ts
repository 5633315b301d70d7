import { describe, expect, it } from 'vitest';
import { counter, seconds, withExemplars } from './metric-definition.js';
import { MetricSet } from './metric-set.js';
import { prefersOpenMetrics } from './open-metrics.js';

const DEFINITIONS = {
  calls: counter('rerank_fleet_calls_total', 'Calls.'),
  wait: withExemplars(seconds('rerank_fleet_wait_seconds', 'Wait.')),
} as const;

describe(prefersOpenMetrics, () => {
  it.each([
    [
      'Prometheus 2',
      'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      true,
    ],
    ['who wants text first', 'text/plain;q=0.9, application/openmetrics-text;q=0.5', false],
    ['who refuses it', 'application/openmetrics-text;q=0', false],
    ['a browser', 'text/html,*/*;q=0.8', false],
    ['who says nothing', undefined, false],
  ])('of %s', (_, accept, expected) => {
    expect(prefersOpenMetrics(accept)).toBe(expected);
  });
});

describe('OpenMetrics', () => {
  it('ends with its mark, and leaves counters their names in the other format', async () => {
    const metrics = new MetricSet(DEFINITIONS);
    metrics.instruments.calls.add(1);
    const both = await Promise.all([metrics.text('openmetrics'), metrics.text(), metrics.text('openmetrics'), metrics.text()]);
    for (const text of [both[0], both[2], await metrics.text('openmetrics')]) {
      expect(text).toMatch(/# TYPE rerank_fleet_calls counter\nrerank_fleet_calls_total 1\n/);
      expect(text).toMatch(/# EOF\n$/);
    }
    for (const text of [both[1], both[3], await metrics.text()])
      expect(text).toMatch(/# TYPE rerank_fleet_calls_total counter\nrerank_fleet_calls_total 1\n/);
  });

  it('has no example where nothing is traced', async () => {
    const metrics = new MetricSet(DEFINITIONS);
    metrics.instruments.wait.observeMs(5);
    expect(await metrics.text('openmetrics')).not.toContain('trace_id');
  });
});
