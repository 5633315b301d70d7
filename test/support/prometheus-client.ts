import { z } from 'zod';

/** One line of a graph. */
export interface PrometheusSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** Epoch seconds and value, by time; a step without a value has no point, `NaN` and `Inf` are values. */
  readonly points: readonly (readonly [seconds: number, value: number])[];
}

export interface TimeRange {
  /** Epoch seconds. */
  readonly start: number;
  readonly end: number;
  /** Seconds. */
  readonly step: number;
}

/** An alert as a running Prometheus evaluates it. */
export type PrometheusRuleState = z.infer<typeof rulesSchema>['groups'][number]['rules'][number];
export type PrometheusExemplar = z.infer<typeof exemplarsSchema>[number]['exemplars'][number];

const labelsSchema = z.record(z.string(), z.string());
const valueSchema = z.string().transform((text) => Number(text.replace(/Inf$/, 'Infinity')));
const answerSchema = z.object({ status: z.string(), error: z.string().optional(), data: z.unknown() });
const buildSchema = z.object({ version: z.string() });
const matrixSchema = z.object({
  resultType: z.literal('matrix'),
  result: z.array(z.object({ metric: labelsSchema, values: z.array(z.tuple([z.number(), valueSchema])) })),
});
const rulesSchema = z.object({
  groups: z.array(
    z.object({
      rules: z.array(z.object({ name: z.string(), health: z.string(), state: z.string(), lastError: z.string().optional() })),
    }),
  ),
});
const targetsSchema = z.object({
  activeTargets: z.array(z.object({ scrapeUrl: z.string(), health: z.string(), lastError: z.string() })),
});
const exemplarsSchema = z.array(
  z.object({
    seriesLabels: labelsSchema,
    exemplars: z.array(z.object({ labels: labelsSchema, value: valueSchema, timestamp: z.number() })),
  }),
);

/** The HTTP API of a real Prometheus. Every method throws an Error with what Prometheus says where it refuses. */
export class PrometheusClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async version(): Promise<string> {
    return (await this.#get('status/buildinfo', {}, buildSchema)).version;
  }

  async range(query: string, { start, end, step }: TimeRange): Promise<PrometheusSeries[]> {
    const { result } = await this.#get('query_range', { query, start: String(start), end: String(end), step: String(step) }, matrixSchema);
    return result.map(({ metric, values }) => ({ labels: metric, points: values }));
  }

  async rules(): Promise<PrometheusRuleState[]> {
    return (await this.#get('rules', {}, rulesSchema)).groups.flatMap(({ rules }) => rules);
  }

  async targets(): Promise<z.infer<typeof targetsSchema>['activeTargets']> {
    return (await this.#get('targets', {}, targetsSchema)).activeTargets;
  }

  async exemplars(query: string, { start, end }: Omit<TimeRange, 'step'>): Promise<PrometheusExemplar[]> {
    const series = await this.#get('query_exemplars', { query, start: String(start), end: String(end) }, exemplarsSchema);
    return series.flatMap(({ exemplars }) => exemplars);
  }

  async #get<Data>(path: string, query: Readonly<Record<string, string>>, schema: z.ZodType<Data>): Promise<Data> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(query).toString()}`);
    const { status, error, data } = answerSchema.parse(await response.json());
    if (status !== 'success') throw new Error(`Prometheus refuses ${query['query'] ?? path}: ${error ?? response.status}`);
    return schema.parse(data);
  }
}
