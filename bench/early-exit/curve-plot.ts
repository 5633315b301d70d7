import type { CurvePoint } from './curve.ts';

const WIDTH = 820;
const HEIGHT = 460;
const AREA = { left: 90, right: 790, top: 86, bottom: 388 } as const;
const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
/** A little room around the points. */
const ROOM = 0.06;

/** nDCG@10 over speed, a point a margin; an SVG document of its own. */
export function renderCurve(points: readonly CurvePoint[], set: string): string {
  const x = axis(
    points.map(({ ratio }) => ratio),
    AREA.left,
    AREA.right,
  );
  const y = axis(
    points.map(({ ndcg }) => ndcg),
    AREA.bottom,
    AREA.top,
  );
  const full = points[0]?.ndcg ?? 0;
  const ticksX = ticks(x.least, x.most, 0.5);
  const ticksY = ticks(y.least, y.most, 0.01);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="${FONT}" fill="#222222">`,
    '<title>Quality against speed of early exit</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(AREA.left, 30, `Early exit on ${set}: quality against speed`, 'font-size="17" font-weight="600"'),
    text(AREA.left, 50, 'a point a margin, in standard deviations of the predictions', 'font-size="13" fill="#555555"'),
    ...ticksY.map(
      (value) =>
        `<path d="M${AREA.left} ${y.at(value)}H${AREA.right}" stroke="#dddddd"/>${text(AREA.left - 10, y.at(value) + 4, value.toFixed(2), 'font-size="13" text-anchor="end"')}`,
    ),
    ...ticksX.map(
      (value) =>
        `<path d="M${x.at(value)} ${AREA.bottom}v6" stroke="#222222"/>${text(x.at(value), AREA.bottom + 22, `${value} ×`, 'font-size="13" text-anchor="middle"')}`,
    ),
    `<path d="M${AREA.left} ${AREA.bottom}H${AREA.right}" stroke="#222222"/>`,
    text((AREA.left + AREA.right) / 2, AREA.bottom + 50, 'pairs per second ÷ those of all layers', 'font-size="14" text-anchor="middle"'),
    text(AREA.left, AREA.top - 12, 'nDCG@10', 'font-size="14"'),
    `<path d="M${AREA.left} ${y.at(full)}H${AREA.right}" stroke="#777777" stroke-width="2" stroke-dasharray="6 5"/>`,
    `<path d="${points.map(({ ratio, ndcg }, at) => `${at === 0 ? 'M' : 'L'}${x.at(ratio)} ${y.at(ndcg)}`).join('')}" fill="none" stroke="#0072b2" stroke-width="2"/>`,
    ...points.map(
      ({ ratio, ndcg, margin }) =>
        `<circle cx="${x.at(ratio)}" cy="${y.at(ndcg)}" r="4.5" fill="#0072b2"/>` +
        text(x.at(ratio), y.at(ndcg) - 10, margin === Infinity ? 'all' : String(margin), 'font-size="12" text-anchor="middle"'),
    ),
    '</svg>',
    '',
  ].join('\n');
}

interface Axis {
  readonly least: number;
  readonly most: number;
  at(value: number): number;
}

function axis(values: readonly number[], from: number, to: number): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(1e-3, high - low) * ROOM;
  const [least, most] = [low - room, high + room];
  return { least, most, at: (value) => Math.round((from + ((value - least) / (most - least)) * (to - from)) * 10) / 10 };
}

function ticks(least: number, most: number, step: number): number[] {
  const first = Math.ceil(least / step);
  return Array.from({ length: Math.max(0, Math.floor(most / step) - first + 1) }, (_, at) => Math.round((first + at) * step * 100) / 100);
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${content}</text>`;
}
