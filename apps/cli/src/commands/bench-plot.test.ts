import type { EngineBenchBody } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { renderBenchPlot } from './bench-plot.js';

const point = (sessions: number, budget: number, rate: number): EngineBenchBody['points'][number] => ({
  sessions,
  intra_op_threads: 2 / sessions,
  max_batch_tokens: budget,
  pairs_per_batch: 1,
  pairs_per_s: rate,
  tokens_per_s: rate * 96,
  spread: 0,
});

const report = (points: EngineBenchBody['points'], name = 'a-model'): EngineBenchBody => ({
  model: { name, precision: 'int8', sha256: 'f' },
  machine: { device: 'cpu', name: 'A CPU', cores: 2, onnxruntime: '1', node: 'v24' },
  sequence_tokens: 96,
  rounds: 3,
  points,
  left_out: [],
});

const labels = (svg: string): string[] => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, label = '']) => label);
const places = (svg: string): [number, number][] =>
  [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="4.5"\/>/g)].map(([, x, y]) => [Number(x), Number(y)]);

describe('renderBenchPlot', () => {
  it('names the model, the machine, both axes, each budget and each split', () => {
    const svg = renderBenchPlot(report([point(2, 512, 100), point(2, 1_024, 110), point(1, 512, 90), point(1, 1_024, 95)]));
    expect(labels(svg)).toEqual(
      expect.arrayContaining([
        'a-model (int8): pairs per second by batch budget',
        'A CPU, 2 cores, cpu; pairs of 96 tokens; medians of 3',
        'padded tokens of a batch',
        'pairs per second',
        '0',
        '100',
        '512',
        '1,024',
        '2 sessions × 1 thread',
        '1 session × 2 threads',
      ]),
    );
  });

  it('places budgets that double at even distances, and rates in proportion from zero', () => {
    const svg = renderBenchPlot(report([point(2, 2_048, 25), point(2, 512, 50), point(2, 1_024, 100)]));
    // The last circle is that of the legend.
    const [[x1, y1], [x2, y2], [x3, y3]] = places(svg).slice(0, 3) as [[number, number], [number, number], [number, number]];
    expect(x2 - x1).toBeCloseTo(x3 - x2, 0);
    const zero = y1 + (y1 - y2);
    expect((zero - y3) / (zero - y2)).toBeCloseTo(0.25, 2);
  });

  it.each([
    ['one budget', [point(2, 512, 100)]],
    ['no point', []],
    ['rates below one', [point(2, 512, 0.01), point(2, 1_024, 0.02)]],
  ])('draws %s without a number that is none', (_, points) => {
    expect(renderBenchPlot(report(points))).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('escapes what the names hold', () => {
    const svg = renderBenchPlot(report([point(2, 512, 100)], '</text><script>&"'));
    expect(svg).not.toContain('<script>');
    expect(svg).toContain('&lt;/text&gt;&lt;script&gt;&amp;&quot;');
  });
});
