/** One metric: its name on the wire, what it means, and the labels that split it. The page of metrics is generated from these. */
export interface MetricDefinition<Label extends string = string> {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** With its unit at the end, in Prometheus' base units. */
  readonly name: string;
  readonly help: string;
  /** Each with few values: never an id, a tenant or a text. */
  readonly labels: readonly Label[];
  /** Upper bounds of a histogram's buckets, ascending. */
  readonly buckets?: readonly number[];
  /** Each bucket names a trace that fell into it, where there is one. */
  readonly exemplars?: boolean;
}

export interface CounterDefinition<Label extends string = string> extends MetricDefinition<Label> {
  readonly type: 'counter';
}

export interface GaugeDefinition<Label extends string = string> extends MetricDefinition<Label> {
  readonly type: 'gauge';
}

export interface HistogramDefinition<Label extends string = string> extends MetricDefinition<Label> {
  readonly type: 'histogram';
  readonly buckets: readonly number[];
}

export type MetricDefinitions = Readonly<Record<string, CounterDefinition | GaugeDefinition | HistogramDefinition>>;

/** Seconds of what takes from a millisecond to a minute. */
export const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;
/** Seconds of work that may take minutes: a slice of a job makes way for calls. */
export const LONG_SECONDS_BUCKETS = [...SECONDS_BUCKETS, 120, 300] as const;
/** Seconds of waits that are meant to be about a millisecond. */
export const SHORT_SECONDS_BUCKETS = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 4, 16, 64] as const;
export const RATIO_BUCKETS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1] as const;

export function counter<const Label extends string = never>(
  name: `rerank_fleet_${string}_total`,
  help: string,
  labels: readonly Label[] = [],
): CounterDefinition<Label> {
  return { type: 'counter', name, help, labels };
}

export function gauge<const Label extends string = never>(
  name: `rerank_fleet_${string}`,
  help: string,
  labels: readonly Label[] = [],
): GaugeDefinition<Label> {
  return { type: 'gauge', name, help, labels };
}

export function seconds<const Label extends string = never>(
  name: `rerank_fleet_${string}_seconds`,
  help: string,
  labels: readonly Label[] = [],
  buckets: readonly number[] = SECONDS_BUCKETS,
): HistogramDefinition<Label> {
  return { type: 'histogram', name, help, labels, buckets };
}

/** The same metric, with a trace as an example in each bucket. */
export function withExemplars<Definition extends HistogramDefinition>(definition: Definition): Definition {
  return { ...definition, exemplars: true };
}

/** In standard deviations. */
export function sigmas<const Label extends string = never>(
  name: `rerank_fleet_${string}_sigmas`,
  help: string,
  labels: readonly Label[] = [],
): HistogramDefinition<Label> {
  return { type: 'histogram', name, help, labels, buckets: [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6] };
}

export function ratios<const Label extends string = never>(
  name: `rerank_fleet_${string}_ratio`,
  help: string,
  labels: readonly Label[] = [],
): HistogramDefinition<Label> {
  return { type: 'histogram', name, help, labels, buckets: RATIO_BUCKETS };
}
