import { describe, expect, it } from 'vitest';
import { drawDashboard } from '../../bench/dashboard/draw-dashboard.ts';
import { readDashboard, type FilledPanel } from '../../bench/dashboard/provisioned-dashboard.ts';
import { axisOf } from '../../bench/dashboard/unit-axis.ts';
import { read } from './project-facts.ts';

const SPAN = { start: 1_000, end: 1_120, step: 15 };
const { panels, title } = await readDashboard();
const points = (...values: readonly (number | null)[]): [number, number][] =>
  values.flatMap((value, at) => (value === null ? [] : [[SPAN.start + at * SPAN.step, value] as [number, number]]));

function panelOf(lines: FilledPanel['lines'], change: Partial<FilledPanel> = {}): FilledPanel {
  const [panel] = panels.filter(({ type }) => type === 'timeseries');
  return { ...panel!, lines, empty: [], ...change };
}

const drawn = (...all: FilledPanel[]): string => drawDashboard({ title, says: ['a run'], panels: all, span: SPAN });
const lineOf = (svg: string): string | undefined => /<path d="([^"]*)" fill="none" stroke="#0072b2"[^>]* stroke-linejoin/.exec(svg)?.[1];

describe('the picture of the dashboard in the docs', () => {
  it('has every row and panel of the one that is provisioned, in its order', () => {
    const shown = [...read('docs/dashboard.svg').matchAll(/font-weight="600"[^>]*>([^<]*)</g)].map(([, text]) => text);
    expect(shown).toEqual([title, ...panels.map((panel) => panel.title)]);
  });
});

describe(drawDashboard, () => {
  it('lays each panel where the dashboard has it', () => {
    const boxes = [...drawn(...panels.map((panel) => ({ ...panel, lines: [], empty: [] }))).matchAll(/<rect x="([\d.]+)" y="([\d.]+)"/g)];
    const graphs = panels.filter(({ type }) => type === 'timeseries');
    expect(boxes).toHaveLength(graphs.length);
    const byPlace = (a: readonly number[], b: readonly number[]): number => a[1]! - b[1]! || a[0]! - b[0]!;
    const order = (places: readonly (readonly number[])[]): number[] => [...places.keys()].sort((a, b) => byPlace(places[a]!, places[b]!));
    expect(order(boxes.map(([, x, y]) => [Number(x), Number(y)]))).toEqual(order(graphs.map(({ gridPos: { x, y } }) => [x, y])));
  });

  it('breaks a line where a step has no value, and leaves out what is infinite', () => {
    expect(lineOf(drawn(panelOf([{ name: 'a', points: points(1, 2, 3, 4) }])))?.match(/[ML]/g)).toEqual(['M', 'L', 'L', 'L']);
    const broken = drawn(panelOf([{ name: 'a', points: points(1, 2, null, null, 3, 4) }]));
    expect(broken.match(/stroke-linejoin/g)).toHaveLength(2);
    expect(drawn(panelOf([{ name: 'a', points: points(1, 2, Infinity, 3) }]))).not.toMatch(/NaN|Infinity/);
  });

  it('says that there is nothing, and names lines by text alone', () => {
    expect(drawn(panelOf([]))).toContain('>No data<');
    const named = drawn(panelOf([{ name: '<script>&', points: points(1, 2) }]));
    expect(named).toContain('&lt;script&gt;&amp;');
    expect(named).not.toContain('<script');
  });

  it('marks from where an alert counts, where that is within the axis', () => {
    const defaults = { unit: 's', thresholds: { steps: [{ value: null }, { value: 5 }] } };
    const upTo = (highest: number): string => drawn(panelOf([{ name: 'a', points: points(0, highest) }], { fieldConfig: { defaults } }));
    expect(upTo(6)).toContain('stroke="#c4162a"');
    expect(upTo(1)).not.toContain('stroke="#c4162a"');
  });

  it('counts the lines that its legend has no room for', () => {
    const lines = Array.from({ length: 40 }, (_, at) => ({ name: `a line with a long name ${at}`, points: points(at) }));
    const more = Number(/… (\d+) more/.exec(drawn(panelOf(lines)))?.[1]);
    expect((drawn(panelOf(lines)).match(/>a line with a long name/g) ?? []).length + more).toBe(40);
  });
});

describe(axisOf, () => {
  it.each([
    ['s', 0.83, ['0 ms', '250 ms', '500 ms', '750 ms', '1 s']],
    ['s', 47, ['0 s', '15 s', '30 s', '45 s', '1 min']],
    ['s', 400, ['0 min', '2 min', '4 min', '6 min', '8 min']],
    ['bytes', 900 * 2 ** 20, ['0 MiB', '256 MiB', '512 MiB', '768 MiB', '1 GiB']],
    ['percentunit', 0.0142, ['0%', '0.5%', '1%', '1.5%']],
    ['short', 247_900, ['0 K', '100 K', '200 K', '300 K']],
    ['reqps', 0, ['0 req/s', '0.25 req/s', '0.5 req/s', '0.75 req/s', '1 req/s']],
  ])('goes in %s from 0 to above %d by round steps', (unit, highest, expected) => {
    const { most, ticks } = axisOf(unit, highest);
    expect(ticks.map(({ text }) => text)).toEqual(expected);
    expect(most).toBe(ticks.at(-1)?.value);
  });

  it('knows every unit of the dashboard', () => {
    for (const { fieldConfig } of panels)
      if (fieldConfig !== undefined) expect(axisOf(fieldConfig.defaults.unit, 3).most).toBeGreaterThanOrEqual(3);
  });
});
