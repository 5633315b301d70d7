/** Values of a unit as Grafana writes them: the same prefixes and words. */
interface UnitStyle {
  /** Size of a prefix and how a value in it is written, from small to large. */
  readonly scales: readonly (readonly [size: number, suffix: string])[];
  /** Steps that an axis may go by, each times any power of `base`. */
  readonly steps: readonly number[];
  readonly base: 10 | 2;
  /** In ascending order; from the first of them on these are the steps, as minutes are no tens of seconds. */
  readonly round?: readonly number[];
}

const THOUSANDS = (suffix: string): UnitStyle['scales'] => [
  [1, suffix],
  [1e3, ` K${suffix}`],
  [1e6, ` Mil${suffix}`],
];
const DECIMAL = [1, 2, 2.5, 5, 10] as const;
const UNITS: Readonly<Record<string, UnitStyle>> = {
  short: { scales: THOUSANDS(''), steps: DECIMAL, base: 10 },
  reqps: { scales: THOUSANDS(' req/s'), steps: DECIMAL, base: 10 },
  ops: { scales: THOUSANDS(' ops/s'), steps: DECIMAL, base: 10 },
  percentunit: { scales: [[0.01, '%']], steps: DECIMAL, base: 10 },
  s: {
    scales: [
      [1e-6, ' µs'],
      [1e-3, ' ms'],
      [1, ' s'],
      [60, ' min'],
      [3_600, ' hour'],
    ],
    steps: DECIMAL,
    base: 10,
    round: [10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600],
  },
  bytes: {
    scales: [
      [1, ' B'],
      [2 ** 10, ' KiB'],
      [2 ** 20, ' MiB'],
      [2 ** 30, ' GiB'],
    ],
    steps: [1, 2],
    base: 2,
  },
};
const TICKS = 4;

export interface Axis {
  /** Upper end; the lower one is 0. */
  readonly most: number;
  readonly ticks: readonly { readonly value: number; readonly text: string }[];
}

/**
 * From 0 to a round value that nothing is above, with a tick at each round step.
 *
 * @throws Error for a unit that the dashboard has not had so far
 */
export function axisOf(unit: string, highest: number): Axis {
  const style = UNITS[unit];
  if (style === undefined) throw new Error(`How is the unit ${unit} written?`);
  const top = highest > 0 ? highest : 1;
  const step = stepOf(style, top / TICKS);
  const count = Math.ceil(top / step - 1e-9);
  const values = Array.from({ length: count + 1 }, (_, at) => at * step);
  return { most: count * step, ticks: values.map((value) => ({ value, text: written(style, value, step) })) };
}

function stepOf({ steps, base, round = [] }: UnitStyle, least: number): number {
  const power = base ** Math.floor(Math.log(least) / Math.log(base));
  const step = power * (steps.find((factor) => factor * power >= least * (1 - 1e-9)) ?? base);
  return (round[0] ?? Infinity) > step ? step : (round.find((given) => given >= least) ?? step);
}

/** In the largest prefix of which it is one or more; 0 is in that of the step. */
function written({ scales }: UnitStyle, value: number, step: number): string {
  const [size, suffix] = scales.findLast(([least]) => (value === 0 ? step : value) >= least * (1 - 1e-9)) ?? scales[0]!;
  return `${Number((value / size).toPrecision(4))}${suffix}`;
}
