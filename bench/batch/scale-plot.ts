import type { FakeModelShape } from './fake-model.ts';

export interface ScalePoint {
  readonly workers: number;
  readonly pairsPerS: number;
}

const WIDTH = 820;
const HEIGHT = 460;
const AREA = { left: 90, right: 796, top: 96, bottom: 388 } as const;
const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

/** Pairs per second over workers, both axes logarithmic, beside n times what one does; an SVG document of its own. */
export function renderScalePlot(points: readonly ScalePoint[], { latencyMs, batchPairs }: FakeModelShape): string {
  const [first] = points;
  if (first === undefined) throw new RangeError('A plot needs a point.');
  const most = points.at(-1)!.workers;
  const ideal = (workers: number): number => (first.pairsPerS * workers) / first.workers;
  const x = (workers: number): number => place(Math.log2(workers) / Math.max(1, Math.log2(most)), AREA.left + 16, AREA.right - 16);
  const [least, top] = [ideal(1) / 1.5, ideal(most) * 1.5];
  const y = (rate: number): number => place(Math.log(rate / least) / Math.log(top / least), AREA.bottom, AREA.top);
  const line = (rate: (point: ScalePoint) => number): string =>
    points.map((point, at) => `${at === 0 ? 'M' : 'L'}${x(point.workers)} ${y(rate(point))}`).join('');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="${FONT}" fill="#222222">`,
    '<title>Throughput of a batch job by workers</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(AREA.left, 30, 'Pairs per second of a batch job by workers', 'font-size="17" font-weight="600"'),
    text(AREA.left, 50, `simulated workers on one Redis: ${latencyMs} ms a batch of ${batchPairs} pairs`, 'font-size="13" fill="#555555"'),
    ...points.map(
      ({ workers }) =>
        `<path d="M${AREA.left} ${y(ideal(workers))}H${AREA.right}" stroke="#dddddd"/>` +
        text(
          AREA.left - 10,
          y(ideal(workers)) + 4,
          Math.round(ideal(workers)).toLocaleString('en-US'),
          'font-size="13" text-anchor="end"',
        ) +
        `<path d="M${x(workers)} ${AREA.bottom}v6" stroke="#222222"/>` +
        text(x(workers), AREA.bottom + 22, String(workers), 'font-size="13" text-anchor="middle"'),
    ),
    `<path d="M${AREA.left} ${AREA.bottom}H${AREA.right}" stroke="#222222"/>`,
    text((AREA.left + AREA.right) / 2, AREA.bottom + 50, 'workers', 'font-size="14" text-anchor="middle"'),
    `<path d="${line(({ workers }) => ideal(workers))}" fill="none" stroke="#777777" stroke-width="2" stroke-dasharray="6 5"/>`,
    `<path d="${line(({ pairsPerS }) => pairsPerS)}" fill="none" stroke="#0072b2" stroke-width="2"/>`,
    ...points.map(({ workers, pairsPerS }) => `<circle cx="${x(workers)}" cy="${y(pairsPerS)}" r="4.5" fill="#0072b2"/>`),
    `<path d="M${AREA.left} 72h28" stroke="#0072b2" stroke-width="2"/><circle cx="${AREA.left + 14}" cy="72" r="4.5" fill="#0072b2"/>`,
    text(AREA.left + 36, 77, 'measured', 'font-size="13"'),
    `<path d="M${AREA.left + 150} 72h28" stroke="#777777" stroke-width="2" stroke-dasharray="6 5"/>`,
    text(AREA.left + 186, 77, 'n × one worker', 'font-size="13"'),
    '</svg>\n',
  ].join('\n');
}

const place = (part: number, from: number, to: number): number => Number((from + part * (to - from)).toFixed(1));
const text = (x: number, y: number, content: string, attributes: string): string =>
  `<text x="${x}" y="${y}" ${attributes}>${content}</text>`;
