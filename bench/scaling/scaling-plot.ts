export interface ScalingSample {
  /** Since the start of the simulation. */
  readonly seconds: number;
  readonly desired: number;
  readonly replicas: number;
  readonly ready: number;
  readonly tokens: number;
}

export interface ScalingPhase {
  readonly seconds: number;
  readonly name: string;
}

const WIDTH = 960;
const HEIGHT = 480;
const AREA = { left: 60, right: 900, top: 110, bottom: 420 } as const;
const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
const LINES = [
  { name: 'needed (/v1/scaling)', color: '#d55e00', of: (sample: ScalingSample) => sample.desired },
  { name: 'pods', color: '#777777', of: (sample: ScalingSample) => sample.replicas },
  { name: 'ready workers', color: '#0072b2', of: (sample: ScalingSample) => sample.ready },
] as const;

/** Workers needed, started and ready over time, with the tokens that wait behind them; an SVG document of its own. */
export function renderScalingPlot(samples: readonly ScalingSample[], phases: readonly ScalingPhase[], speedUp: number): string {
  const end = samples.at(-1)?.seconds ?? 1;
  const most = Math.max(1, ...samples.flatMap((sample) => LINES.map(({ of }) => of(sample))));
  const mostTokens = Math.max(1, ...samples.map(({ tokens }) => tokens));
  const x = (seconds: number): number => place(seconds / end, AREA.left, AREA.right);
  const y = (part: number): number => place(part, AREA.bottom, AREA.top);
  const steps = (of: (sample: ScalingSample) => number): string =>
    samples.map((sample, at) => `${at === 0 ? 'M' : 'H'}${x(sample.seconds)}${at === 0 ? ' ' : 'V'}${y(of(sample) / most)}`).join('');
  const area = samples.map(({ seconds, tokens }) => `L${x(seconds)} ${y(tokens / mostTokens)}`).join('');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="${FONT}" fill="#222222">`,
    '<title>Workers from none to many and back</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(AREA.left, 30, 'Workers from none to many and back', 'font-size="17" font-weight="600"'),
    text(
      AREA.left,
      50,
      `a real API and Redis, simulated workers and autoscaler; the autoscaler’s times divided by ${speedUp}`,
      'font-size="13" fill="#555555"',
    ),
    `<path d="M${x(0)} ${AREA.bottom}${area}L${x(end)} ${AREA.bottom}Z" fill="#009e73" fill-opacity="0.18"/>`,
    ...Array.from({ length: most + 1 }, (_, count) =>
      count % Math.ceil(most / 8) === 0
        ? `<path d="M${AREA.left} ${y(count / most)}H${AREA.right}" stroke="#dddddd"/>${text(AREA.left - 10, y(count / most) + 4, String(count), 'font-size="13" text-anchor="end"')}`
        : '',
    ),
    ...phases.map(
      ({ seconds, name }, at) =>
        `<path d="M${x(seconds)} ${AREA.top - 14}V${AREA.bottom}" stroke="#999999" stroke-dasharray="3 4"/>${text(x(seconds) + 4, AREA.top - 4 - (at % 2) * 14, name, 'font-size="12" fill="#555555"')}`,
    ),
    ...LINES.map(({ color, of }) => `<path d="${steps(of)}" fill="none" stroke="${color}" stroke-width="2"/>`),
    ...LINES.map(
      ({ name, color }, at) =>
        `<path d="M${AREA.left + at * 190} 70h26" stroke="${color}" stroke-width="2"/>${text(AREA.left + at * 190 + 34, 75, name, 'font-size="13"')}`,
    ),
    `<rect x="${AREA.left + 570}" y="62" width="26" height="14" fill="#009e73" fill-opacity="0.3"/>`,
    text(AREA.left + 604, 75, `tokens that wait (at most ${Math.round(mostTokens / 1_000).toLocaleString('en-US')} k)`, 'font-size="13"'),
    `<path d="M${AREA.left} ${AREA.bottom}H${AREA.right}" stroke="#222222"/>`,
    ...Array.from({ length: Math.floor(end / 20) + 1 }, (_, at) =>
      text(x(at * 20), AREA.bottom + 20, String(at * 20), 'font-size="13" text-anchor="middle"'),
    ),
    text((AREA.left + AREA.right) / 2, AREA.bottom + 44, 'seconds of the simulation', 'font-size="14" text-anchor="middle"'),
    '</svg>\n',
  ].join('\n');
}

const place = (part: number, from: number, to: number): number => Number((from + part * (to - from)).toFixed(1));
const text = (x: number, y: number, content: string, attributes: string): string =>
  `<text x="${x}" y="${y}" ${attributes}>${content}</text>`;
