import type { EngineBenchBody } from '@rerank-fleet/core/contracts';

const WIDTH = 820;
const HEIGHT = 460;
const AREA = { left: 78, right: 796, top: 96, bottom: 388 } as const;
/** Told apart without colours, too: each has a marker of its own. */
const SERIES = [
  { color: '#0072b2', marker: (x: number, y: number) => `<circle cx="${x}" cy="${y}" r="4.5"/>` },
  { color: '#d55e00', marker: (x: number, y: number) => `<rect x="${x - 4}" y="${y - 4}" width="8" height="8"/>` },
  { color: '#009e73', marker: (x: number, y: number) => `<path d="M${x} ${y - 5.5}l5.5 9.5h-11z"/>` },
] as const;
const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
const INK = '#222222';
const GRID = '#dddddd';

type Point = EngineBenchBody['points'][number];

/** Pairs per second over the batch budget (a logarithmic axis), a line a split, as an SVG document of its own. */
export function renderBenchPlot(report: EngineBenchBody): string {
  const { points, model, machine } = report;
  const budgets = [...new Set(points.map((point) => point.max_batch_tokens))].sort((a, b) => a - b);
  const step = niceStep(Math.max(1, ...points.map((point) => point.pairs_per_s)));
  const top = step * Math.ceil(Math.max(1, ...points.map((point) => point.pairs_per_s)) / step);
  const [first = 1, last = 1] = [budgets[0], budgets.at(-1)];
  const x = (budget: number): number =>
    place(first === last ? 0.5 : Math.log2(budget / first) / Math.log2(last / first), AREA.left + 16, AREA.right - 16);
  const y = (rate: number): number => place(rate / top, AREA.bottom, AREA.top);
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, position) => position * step);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="${FONT}" fill="${INK}">`,
    `<title>${escape(`Throughput of ${model.name}`)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(AREA.left, 30, `${model.name} (${model.precision}): pairs per second by batch budget`, 'font-size="17" font-weight="600"'),
    text(
      AREA.left,
      50,
      `${machine.name}, ${count(machine.cores)} cores, ${machine.device}; pairs of ${count(report.sequence_tokens)} tokens; medians of ${report.rounds}`,
      'font-size="13" fill="#555555"',
    ),
    ...ticks.map(
      (tick) =>
        `<path d="M${AREA.left} ${y(tick)}H${AREA.right}" stroke="${tick === 0 ? INK : GRID}"/>` +
        text(AREA.left - 10, y(tick) + 4, count(tick), 'font-size="13" text-anchor="end"'),
    ),
    ...budgets.map(
      (budget) =>
        `<path d="M${x(budget)} ${AREA.bottom}v6" stroke="${INK}"/>` +
        text(x(budget), AREA.bottom + 22, count(budget), 'font-size="13" text-anchor="middle"'),
    ),
    text((AREA.left + AREA.right) / 2, AREA.bottom + 50, 'padded tokens of a batch', 'font-size="14" text-anchor="middle"'),
    text(
      0,
      0,
      'pairs per second',
      `font-size="14" text-anchor="middle" transform="translate(24 ${(AREA.top + AREA.bottom) / 2}) rotate(-90)"`,
    ),
    ...seriesOf(points).map(({ name, own }, position) => renderSeries({ name, own, position, x, y })),
    '</svg>\n',
  ].join('\n');
}

interface Series {
  readonly name: string;
  readonly own: readonly Point[];
}

function seriesOf(points: readonly Point[]): Series[] {
  const bySplit = Map.groupBy(points, (point) => `${sessions(point.sessions)} × ${threads(point.intra_op_threads)}`);
  return [...bySplit].map(([name, own]) => ({ name, own: own.toSorted((a, b) => a.max_batch_tokens - b.max_batch_tokens) }));
}

interface SeriesPlacing extends Series {
  readonly position: number;
  readonly x: (budget: number) => number;
  readonly y: (rate: number) => number;
}

/** The line with its markers, and its entry above the plot. */
function renderSeries({ name, own, position, x, y }: SeriesPlacing): string {
  const { color, marker } = SERIES[position % SERIES.length]!;
  const places = own.map((point) => [x(point.max_batch_tokens), y(point.pairs_per_s)] as const);
  const line = places.map(([px, py], at) => `${at === 0 ? 'M' : 'L'}${px} ${py}`).join('');
  const left = AREA.left + position * 220;
  return [
    `<g fill="${color}" stroke="none"><path d="${line}" fill="none" stroke="${color}" stroke-width="2"/>`,
    places.map(([px, py]) => marker(px, py)).join(''),
    `<path d="M${left} 72h28" stroke="${color}" stroke-width="2"/>${marker(left + 14, 72)}</g>`,
    text(left + 36, 77, name, 'font-size="13"'),
  ].join('');
}

const sessions = (value: number): string => `${value} ${value === 1 ? 'session' : 'sessions'}`;
const threads = (value: number): string => `${value} ${value === 1 ? 'thread' : 'threads'}`;
const count = (value: number): string => value.toLocaleString('en-US');
const place = (part: number, from: number, to: number): number => Number((from + part * (to - from)).toFixed(1));
const text = (x: number, y: number, content: string, attributes: string): string =>
  `<text x="${x}" y="${y}" ${attributes}>${escape(content)}</text>`;

/** 1, 2 or 5 times a power of ten, so that four to nine lines fill the axis. */
function niceStep(most: number): number {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  return (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10) * power;
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
