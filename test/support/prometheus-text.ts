/** One line of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\n"])*"';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)?,?\\})? ([Nn]a[Nn]|[+-]?Inf|[+-]?[0-9.eE+-]+)(?: \\d+)?$`);
const SUFFIXES: Readonly<Record<string, readonly string[]>> = { histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] };

/** Reads Prometheus' text format as strictly as its own parser: throws at the first line that is none, or that stands in another metric's block. */
export function parsePrometheus(text: string): ReadonlyMap<string, MetricFamily> {
  if (!text.endsWith('\n')) throw new Error('The last line has no end.');
  const families = new Map<string, { type: string; help: string; samples: Sample[] }>();
  const helps = new Map<string, string>();
  let current = '';
  for (const line of text.split('\n').filter((entry) => entry !== '')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === 'HELP') helps.set(name, rest);
    else if (kind === 'TYPE') {
      if (families.has(name)) throw new Error(`${name} stands twice.`);
      families.set(name, { type: rest, help: helps.get(name) ?? '', samples: [] });
      current = name;
    } else {
      const sample = parseSample(line);
      const family = families.get(current);
      const suffixes = SUFFIXES[family?.type ?? ''] ?? [''];
      if (!suffixes.some((suffix) => sample.name === current + suffix)) throw new Error(`${line} stands in the block of ${current}.`);
      family?.samples.push(sample);
    }
  }
  for (const [name, { type, samples }] of families) if (type === 'histogram') assertCumulative(name, samples);
  return families;
}

function parseSample(line: string): Sample {
  const [whole, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (whole === undefined) throw new Error(`This is no sample: ${line}`);
  const pairs = [...labels.matchAll(new RegExp(LABEL, 'g'))].map(([pair]) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), JSON.parse(pair.slice(at + 1)) as string] as const;
  });
  if (new Set(pairs.map(([label]) => label)).size < pairs.length) throw new Error(`A label stands twice: ${line}`);
  return { name, labels: Object.fromEntries(pairs), value: value.endsWith('Inf') ? Infinity : Number(value) };
}

/** Buckets of one series never fall, and the last one is the count. */
function assertCumulative(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, number[]>();
  for (const { name: of, labels, value } of samples) {
    const { le: _, ...rest } = labels;
    const key = JSON.stringify(rest);
    if (of === `${name}_bucket`) series.set(key, [...(series.get(key) ?? []), value]);
    if (of === `${name}_count` && series.get(key)?.at(-1) !== value) throw new Error(`${name}: the last bucket is not the count.`);
  }
  for (const values of series.values()) {
    if (values.some((value, at) => at > 0 && value < values[at - 1]!)) throw new Error(`${name}: buckets fall.`);
  }
}

/** Sum of the samples of a name whose labels fit. */
export function sumOf(families: ReadonlyMap<string, MetricFamily>, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const all = [...families.values()].flatMap(({ samples }) => samples);
  const fitting = all.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return fitting.reduce((sum, { value }) => sum + value, 0);
}

export async function scrape(opsUrl: string): Promise<ReadonlyMap<string, MetricFamily>> {
  const response = await fetch(`${opsUrl}/metrics`);
  const type = response.headers.get('content-type') ?? '';
  if (response.status !== 200 || !type.startsWith('text/plain; version=0.0.4')) throw new Error(`${response.status} ${type}`);
  return parsePrometheus(await response.text());
}
