export interface CurvePoint {
  /** In standard deviations of the predictions; null: nobody leaves. */
  readonly margin: number | null;
  readonly pairsPerS: number;
  /** Pairs per second ÷ those of all layers, the median of the rounds. */
  readonly ratio: number;
  /** Of all layers of all pairs. */
  readonly layers: number;
  /** Mean of the rounds. */
  readonly ndcg: number;
}

/** What the picture is drawn from: the figures of one run. */
export interface CurveFigures {
  readonly set: string;
  readonly queries: number;
  /** Candidates of a query. */
  readonly depth: number;
  readonly rounds: number;
  readonly machine: string;
  /** Margin of each `effort`. */
  readonly efforts: Readonly<Record<'balanced' | 'fast', number>>;
  /** The first is the one that no pair leaves early. */
  readonly points: readonly CurvePoint[];
}

const WIDTH = 820;
const HEIGHT = 480;
const AREA = { left: 90, right: 780, top: 104, bottom: 408 } as const;
const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
const [LINE, NAMED] = ['#0072b2', '#d55e00'];
/** A little room around the points. */
const ROOM = 0.08;

/** nDCG@10 over speed, a point a margin; an SVG document of its own, on a white ground that also suits a dark page. */
export function renderCurve({ points, efforts, ...run }: CurveFigures): string {
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
  const queries = `${run.queries} queries with ${run.depth} candidates each, ${run.rounds === 1 ? '1 round' : `${run.rounds} rounds`}; engine alone`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="${FONT}" fill="#222222">`,
    '<title>Quality against speed of early exit</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(AREA.left, 28, `Early exit on ${run.set}: quality against speed`, 'font-size="17" font-weight="600"'),
    text(AREA.left, 48, `a point a margin in σ of the predictions; ${queries}`, 'font-size="13" fill="#555555"'),
    text(AREA.left, 66, run.machine, 'font-size="13" fill="#555555"'),
    ...ticks(y, 4).map(
      ({ value, label }) =>
        `<path d="M${AREA.left} ${y.at(value)}H${AREA.right}" stroke="#dddddd"/>${text(AREA.left - 10, round(y.at(value) + 4), label, 'font-size="13" text-anchor="end"')}`,
    ),
    ...ticks(x, 7).map(
      ({ value, label }) =>
        `<path d="M${x.at(value)} ${AREA.bottom}v6" stroke="#222222"/>${text(x.at(value), AREA.bottom + 22, `${label} ×`, 'font-size="13" text-anchor="middle"')}`,
    ),
    `<path d="M${AREA.left} ${AREA.bottom}H${AREA.right}" stroke="#222222"/>`,
    text((AREA.left + AREA.right) / 2, AREA.bottom + 50, 'pairs per second ÷ those of all layers', 'font-size="14" text-anchor="middle"'),
    text(AREA.left, AREA.top - 12, 'nDCG@10', 'font-size="14"'),
    `<path d="M${AREA.left} ${y.at(full)}H${AREA.right}" stroke="#777777" stroke-width="2" stroke-dasharray="6 5"/>`,
    `<path d="${points.map(({ ratio, ndcg }, at) => `${at === 0 ? 'M' : 'L'}${x.at(ratio)} ${y.at(ndcg)}`).join('')}" fill="none" stroke="${LINE}" stroke-width="2"/>`,
    ...points.map((point) => marker(point, x.at(point.ratio), y.at(point.ndcg), efforts)),
    '</svg>',
    '',
  ].join('\n');
}

/** Those of an effort are squares with its name, others circles. */
function marker({ margin }: CurvePoint, x: number, y: number, efforts: CurveFigures['efforts']): string {
  if (margin === null)
    return `<circle cx="${x}" cy="${y}" r="4.5" fill="${LINE}"/>${text(x, round(y - 10), 'full', 'font-size="13" text-anchor="middle"')}`;
  const effort = (['balanced', 'fast'] as const).find((name) => efforts[name] === margin);
  // Beside the curve, which falls to the right.
  const label = text(round(x + 5), round(y - 8), String(margin), 'font-size="12"');
  if (effort === undefined) return `<circle cx="${x}" cy="${y}" r="4.5" fill="${LINE}"/>${label}`;
  const name = text(x, round(y + 22), effort, `font-size="13" font-weight="600" text-anchor="middle" fill="${NAMED}"`);
  return `<rect x="${round(x - 5.5)}" y="${round(y - 5.5)}" width="11" height="11" fill="${NAMED}"/>${label}${name}`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

interface Axis {
  readonly least: number;
  readonly most: number;
  at(value: number): number;
}

function axis(values: readonly number[], from: number, to: number): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(1e-3, high - low) * ROOM;
  const [least, most] = [low - room, high + room];
  return { least, most, at: (value) => round(from + ((value - least) / (most - least)) * (to - from)) };
}

/** At 1, 2 or 5 times a power of ten, at most so many and one more. */
function ticks({ least, most }: Axis, wanted: number): { readonly value: number; readonly label: string }[] {
  const rough = (most - least) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough) ?? rough;
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const first = Math.ceil(least / step);
  return Array.from({ length: Math.max(0, Math.floor(most / step) - first + 1) }, (_, at) => {
    const value = (first + at) * step;
    return { value, label: value.toFixed(digits) };
  });
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${content}</text>`;
}
