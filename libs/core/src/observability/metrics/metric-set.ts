import {
  collectDefaultMetrics,
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  type OpenMetricsContentType,
  type Registry,
} from 'prom-client';
import { exemplarNow } from '../tracing/spans.js';
import type { CounterDefinition, GaugeDefinition, HistogramDefinition, MetricDefinition, MetricDefinitions } from './metric-definition.js';
import { createRegistry, metricsText, type MetricsFormat } from './open-metrics.js';

/** All labels of a metric, or nothing where it has none. */
type Labels<Label extends string> = [Label] extends [never] ? [] : [labels: Readonly<Record<Label, string>>];

export interface Counter<Label extends string = never> {
  /** `amount` is not negative. */
  add(amount: number, ...labels: Labels<Label>): void;
}

export interface Gauge<Label extends string = never> {
  set(value: number, ...labels: Labels<Label>): void;
  /** Forgets every value: what is not set again is not exported. */
  reset(): void;
}

export interface Histogram<Label extends string = never> {
  /** In the unit of the metric's name. */
  observe(value: number, ...labels: Labels<Label>): void;
  /** Milliseconds, for a metric in seconds. */
  observeMs(ms: number, ...labels: Labels<Label>): void;
}

type InstrumentOf<Definition> =
  Definition extends CounterDefinition<infer Label>
    ? Counter<Label>
    : Definition extends GaugeDefinition<infer Label>
      ? Gauge<Label>
      : Definition extends HistogramDefinition<infer Label>
        ? Histogram<Label>
        : never;

export type Instruments<Definitions extends MetricDefinitions> = { readonly [Name in keyof Definitions]: InstrumentOf<Definitions[Name]> };

/** Values that are read when somebody scrapes. */
export interface Collector {
  /** Label of `rerank_fleet_scrape_failures_total`. */
  readonly name: string;
  /** Forgotten before each scrape, so that no old value passes for a new one. */
  readonly gauges: readonly { reset(): void }[];
  /** Reads, and resolves to what sets the gauges; that is not called if the read took too long. */
  read(): Promise<() => void>;
}

export interface MetricSetOptions {
  /** Longest time that a scrape waits for collectors. @defaultValue 1,000 */
  readonly collectTimeoutMs?: number;
}

/** The metrics of one process, in a registry of its own. */
export class MetricSet<Definitions extends MetricDefinitions> {
  readonly instruments: Instruments<Definitions>;
  readonly #registry = createRegistry();
  readonly #collectors: Collector[] = [];
  readonly #collectTimeoutMs: number;
  readonly #failures: Counter<'collector'> | undefined;
  readonly #scrapes = new Map<MetricsFormat, Promise<string>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(definitions: Definitions, { collectTimeoutMs = 1_000 }: MetricSetOptions = {}) {
    this.#collectTimeoutMs = collectTimeoutMs;
    const made = Object.entries(definitions).map(([name, definition]) => [name, instrument(definition, this.#registry)] as const);
    this.instruments = Object.fromEntries(made) as unknown as Instruments<Definitions>;
    this.#failures = (this.instruments as { readonly collectorFailures?: Counter<'collector'> }).collectorFailures;
  }

  /** Adds CPU, memory, event loop and garbage collection of this process, under the names that every Node process has. */
  addProcessMetrics(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  addCollector(collector: Collector): void {
    this.#collectors.push(collector);
    // A counter that begins with its first failure hides it: Prometheus sees no increase.
    this.#failures?.add(0, { collector: collector.name });
  }

  /** Takes little longer than `collectTimeoutMs`, whatever collectors do. Calls at the same time share one answer. */
  text(format: MetricsFormat = 'prometheus'): Promise<string> {
    const running = this.#scrapes.get(format);
    if (running !== undefined) return running;
    // One after the other: prom-client renames its counters while it writes OpenMetrics.
    const scrape = this.#last.then(() => this.#render(format)).finally(() => this.#scrapes.delete(format));
    this.#last = scrape.catch(() => undefined);
    this.#scrapes.set(format, scrape);
    return scrape;
  }

  async #render(format: MetricsFormat): Promise<string> {
    const settings = await Promise.all(this.#collectors.map((collector) => this.#read(collector)));
    for (const { gauges } of this.#collectors) for (const stale of gauges) stale.reset();
    for (const set of settings) set();
    return await metricsText(this.#registry, format);
  }

  async #read(collector: Collector): Promise<() => void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('too late')), this.#collectTimeoutMs);
    });
    try {
      return await Promise.race([collector.read(), late]);
    } catch {
      this.#failures?.add(1, { collector: collector.name });
      return () => undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}

function instrument(
  definition: MetricDefinition,
  registry: Registry<OpenMetricsContentType>,
): Counter<string> | Gauge<string> | Histogram<string> {
  const { name, help, labels, buckets, exemplars = false } = definition;
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  switch (definition.type) {
    case 'counter': {
      const metric = new PromCounter(options);
      return { add: (amount, given = {}) => metric.inc(given, amount) };
    }
    case 'gauge': {
      const metric = new PromGauge(options);
      // A gauge without labels begins at 0, which would be taken for a value that was read.
      const reset = (): void => {
        metric.reset();
        if (labels.length === 0) metric.remove();
      };
      reset();
      return { set: (value, given = {}) => metric.set(given, value), reset };
    }
    case 'histogram': {
      const metric = new PromHistogram({ ...options, buckets: [...(buckets ?? [])], enableExemplars: exemplars });
      const observe = (value: number, given: Readonly<Record<string, string>> = {}): void =>
        exemplars ? metric.observe({ labels: given, value, exemplarLabels: { ...exemplarNow() } }) : metric.observe(given, value);
      return { observe, observeMs: (ms, given) => observe(ms / 1_000, given) };
    }
  }
}
