import { parser } from '@prometheus-io/lezer-promql';

export interface PromQuery {
  readonly metrics: readonly string[];
  /** Labels that are matched, grouped by or joined on, with the metrics of the expression. */
  readonly labels: readonly string[];
}

/** Grafana fills these in. */
const VARIABLES: Readonly<Record<string, string>> = { $__rate_interval: '5m' };

/**
 * Reads an expression by Prometheus' own grammar.
 *
 * @throws SyntaxError with the place that is no PromQL
 */
export function readPromQl(text: string): PromQuery {
  const expression = Object.entries(VARIABLES).reduce((all, [name, value]) => all.replaceAll(name, value), text);
  const metrics = new Set<string>();
  const labels = new Set<string>();
  parser.parse(expression).iterate({
    enter: ({ type, from, to }) => {
      if (type.isError) throw new SyntaxError(`This is no PromQL at ${from}: ${expression}`);
      const part = expression.slice(from, to);
      if (type.name === 'VectorSelector') metrics.add(/^[\w:]+/.exec(part)?.[0] ?? '');
      if (type.name === 'LabelName') labels.add(part);
    },
  });
  return { metrics: [...metrics], labels: [...labels] };
}
