import type { FilledPanel, PanelLine } from './provisioned-dashboard.ts';
import { axisOf, type Axis } from './unit-axis.ts';

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Seconds of the epoch between which a panel shows values, and how far one is from the next. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** Told apart by eyes of all kinds (Okabe and Ito's, and three more), then again with dashes. */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#b58900', '#56b4e9', '#7b5ea7', '#6b6b6b'] as const;
const DASHES = ['', '5 3', '1.5 2.5'] as const;
const PADDING = 10;
const TITLE_HEIGHT = 26;
const AXIS_HEIGHT = 20;
const LEGEND_LINE = 15;
const LEGEND_LINES = 5;
/** Of the legend's letters, on average, in pixels. */
const LETTER = 6;
const KEY_WIDTH = 18;
/** Of what stands for the names that have no room. */
const MORE_WIDTH = 50;
const MINUTE = 60;

/** One panel of the dashboard with title, axes, lines and legend, as parts of an SVG document. */
export function drawPanel(panel: FilledPanel, box: Box, span: Span): string {
  const legend = legendRows(panel.lines, box.width - 2 * PADDING);
  const highest = Math.max(0, ...panel.lines.flatMap(({ points }) => points.map(([, value]) => (Number.isFinite(value) ? value : 0))));
  const axis = axisOf(panel.fieldConfig?.defaults.unit ?? 'short', highest);
  const area = {
    left: box.x + PADDING + 8 + Math.max(...axis.ticks.map((tick) => tick.text.length)) * LETTER,
    right: box.x + box.width - PADDING - 14,
    top: box.y + TITLE_HEIGHT + 8,
    bottom: box.y + box.height - PADDING - legend.length * LEGEND_LINE - AXIS_HEIGHT,
  };
  const place: Place = {
    x: (seconds) => round(area.left + ((seconds - span.start) / (span.end - span.start)) * (area.right - area.left)),
    y: (value) => round(area.bottom - (Math.min(value, axis.most) / axis.most) * (area.bottom - area.top)),
    span,
  };
  return [
    `<g>${panel.description === undefined ? '' : `<title>${escaped(panel.description)}</title>`}`,
    `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" rx="3" fill="#ffffff" stroke="#dcdfe4"/>`,
    text(box.x + PADDING, box.y + 18, panel.title, 'font-size="13" font-weight="600"'),
    ...drawAxes(axis, area, place),
    ...panel.lines.map((line, at) => drawLine(line.points, styleOf(at), place)),
    ...drawThresholds(panel, axis, area, place),
    panel.lines.length === 0
      ? text((area.left + area.right) / 2, (area.top + area.bottom) / 2, 'No data', `font-size="12" text-anchor="middle" fill="#8a8f98"`)
      : '',
    ...legend.flatMap((row, at) => drawLegendRow(row, box.x + PADDING, area.bottom + AXIS_HEIGHT + 12 + at * LEGEND_LINE)),
    '</g>',
  ].join('');
}

export const text = (x: number, y: number, content: string, attributes: string): string =>
  `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`;

interface Place {
  readonly x: (seconds: number) => number;
  readonly y: (value: number) => number;
  readonly span: Span;
}

interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

interface LegendEntry {
  readonly name: string;
  /** Undefined for a note that stands for no line. */
  readonly at?: number;
  readonly x: number;
}

function drawAxes({ ticks }: Axis, { left, right, bottom }: Area, { x, y, span }: Place): string[] {
  const minutes = (span.end - span.start) / MINUTE;
  const every = [1, 2, 5, 10, 15, 30, 60, 120, 360].find((step) => minutes / step <= 6) ?? 1_440;
  const marks = Array.from({ length: Math.floor(minutes / every) + 1 }, (_, at) => at * every);
  return [
    ...ticks.map(
      ({ value, text: label }) =>
        `<path d="M${left} ${y(value)}H${right}" stroke="#e8eaee"/>${text(left - 7, y(value) + 3.5, label, 'font-size="10.5" text-anchor="end" fill="#5b616b"')}`,
    ),
    ...marks.map((minute) => {
      const at = x(span.start + minute * MINUTE);
      return `<path d="M${at} ${bottom}v4" stroke="#b4b9c2"/>${text(at, bottom + 15, minute === 0 ? '0' : `${minute} min`, 'font-size="10.5" text-anchor="middle" fill="#5b616b"')}`;
    }),
  ];
}

/** Broken where a step has no value, as Grafana breaks it; a value between two gaps is a dot. */
function drawLine(points: PanelLine['points'], style: string, { x, y, span }: Place): string {
  const runs: [number, number][][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const [seconds, value] of points) {
    if (!Number.isFinite(value)) continue;
    if (seconds - last > span.step * 1.5) runs.push([]);
    runs.at(-1)?.push([x(seconds), y(value)]);
    last = seconds;
  }
  return runs
    .map((run) => {
      const [first] = run;
      if (first === undefined) return '';
      if (run.length === 1) return `<path d="M${first[0] - 1} ${first[1]}h2" ${style} stroke-linecap="round"/>`;
      const line = run.map(([at, height], position) => `${position === 0 ? 'M' : 'L'}${at} ${height}`).join('');
      return `<path d="${line}V${y(0)}H${first[0]}Z" fill="${/#\w+/.exec(style)?.[0] ?? ''}" fill-opacity="0.07"/><path d="${line}" ${style} stroke-linejoin="round"/>`;
    })
    .join('');
}

function drawThresholds(panel: FilledPanel, { most }: Axis, { left, right }: Area, { y }: Place): string[] {
  const steps = panel.fieldConfig?.defaults.thresholds?.steps ?? [];
  return steps.flatMap(({ value }) =>
    value === null || value > most ? [] : [`<path d="M${left} ${y(value)}H${right}" stroke="#c4162a" stroke-dasharray="6 4"/>`],
  );
}

const styleOf = (at: number): string => {
  const dash = DASHES[Math.floor(at / COLORS.length) % DASHES.length] ?? '';
  return `fill="none" stroke="${COLORS[at % COLORS.length] ?? ''}" stroke-width="1.5"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}`;
};

/** Names from left to right, in as many rows as they take; what has no room is counted. */
function legendRows(lines: readonly PanelLine[], width: number): LegendEntry[][] {
  const rows: LegendEntry[][] = [[]];
  let x = 0;
  for (const [at, { name }] of lines.entries()) {
    const wide = KEY_WIDTH + name.length * LETTER + 14;
    const isLast = at === lines.length - 1;
    const room = width - (rows.length === LEGEND_LINES && !isLast ? MORE_WIDTH : 0);
    if (x > 0 && x + wide > room) {
      if (rows.length === LEGEND_LINES) {
        rows.at(-1)!.push({ name: `… ${lines.length - at} more`, x });
        break;
      }
      rows.push([]);
      x = 0;
    }
    rows.at(-1)!.push({ name, at, x });
    x += wide;
  }
  return rows;
}

function drawLegendRow(row: readonly LegendEntry[], left: number, y: number): string[] {
  return row.map(
    ({ name, at, x }) =>
      `${at === undefined ? '' : `<path d="M${round(left + x)} ${y - 3.5}h13" ${styleOf(at)}/>`}${text(left + x + (at === undefined ? 0 : KEY_WIDTH), y, name, 'font-size="10.5" fill="#3b4048"')}`,
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
