import { codeOf, type CallOutcome } from './http-call.ts';
import { FAULT_KINDS, type RunSize } from './fault-schedule.ts';
import { describeFailure, type GateRun } from './run-gate.ts';

type Counts = Readonly<Record<string, number>>;

/** The gate in figures. */
export interface ChaosSummary {
  readonly size: RunSize['name'];
  readonly seeds: { readonly first: number; readonly last: number };
  readonly runs: number;
  readonly faults: Counts;
  readonly calls: Counts;
  readonly rows: Counts;
  readonly documentWrites: { readonly unclear: number };
  readonly recoveryMs: { readonly median: number; readonly p95: number; readonly worst: number; readonly worstSeed: number };
  /** Longest time that a call took beyond its deadline. */
  readonly latestAnswerMs: number;
  readonly violations: Counts;
  readonly runsWithViolations: readonly number[];
}

function count(names: Iterable<string>): Counts {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).toSorted((a, b) => b[1] - a[1]));
}

function nameOf(outcome: CallOutcome): string {
  if (outcome.kind !== 'answered') return outcome.kind === 'broken' ? 'connection broken' : 'silence';
  return outcome.status === 200 ? '200' : `${outcome.status} ${codeOf(outcome) ?? 'without a code'}`;
}

export function summarize(runs: readonly GateRun[], size: RunSize): ChaosSummary {
  const results = runs.flatMap(({ result }) => (result === undefined ? [] : [result]));
  const seen = results.map(({ observation }) => observation);
  const kinds = count(seen.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  const recoveries = results.map(({ recovery, seed }) => ({ ms: Math.round(recovery.tookMs), seed })).toSorted((a, b) => a.ms - b.ms);
  const at = (share: number): number => recoveries[Math.min(recoveries.length - 1, Math.floor(share * recoveries.length))]?.ms ?? 0;
  const seeds = runs.map(({ seed }) => seed);
  return {
    size: size.name,
    seeds: { first: Math.min(...seeds), last: Math.max(...seeds) },
    runs: runs.length,
    faults: Object.fromEntries(FAULT_KINDS.map((kind) => [kind, kinds[kind] ?? 0])),
    calls: count(seen.flatMap(({ calls }) => calls.map(({ outcome }) => nameOf(outcome)))),
    rows: count(seen.flatMap(({ jobs }) => jobs.flatMap(({ lines }) => lines.map(({ status }) => status)))),
    documentWrites: { unclear: seen.reduce((sum, { documents }) => sum + documents.unclear, 0) },
    recoveryMs: { median: at(0.5), p95: at(0.95), worst: at(1), worstSeed: recoveries.at(-1)?.seed ?? 0 },
    latestAnswerMs: Math.round(Math.max(0, ...seen.flatMap(({ calls }) => calls.map(({ tookMs, timeoutMs }) => tookMs - timeoutMs)))),
    violations: count(runs.flatMap(({ violations }) => violations.map(({ rule }) => rule))),
    runsWithViolations: runs.filter(({ violations }) => violations.length > 0).map(({ seed }) => seed),
  };
}

const table = (title: readonly [string, string], counts: Counts): string =>
  [`| ${title[0]} | ${title[1]} |`, '| --- | ---: |', ...Object.entries(counts).map(([name, value]) => `| ${name} | ${value} |`)].join(
    '\n',
  );

/** The report as a page. */
export function renderReport(
  summary: ChaosSummary,
  runs: readonly GateRun[],
  { size, machine }: { size: RunSize; machine: string },
): string {
  const { seeds, recoveryMs } = summary;
  const failed = runs.filter(({ violations }) => violations.length > 0);
  return [
    `# Chaos: ${summary.runs} runs, ${failed.length} with violations`,
    `${size.name} runs, seeds ${seeds.first} to ${seeds.last}. ${machine}.`,
    table(['fault', 'times'], summary.faults),
    table(['sync calls ended with', 'calls'], summary.calls),
    table(['rows of batch jobs ended as', 'rows'], summary.rows),
    `Recovery after the last fault: median ${recoveryMs.median} ms, 95th percentile ${recoveryMs.p95} ms, worst ${recoveryMs.worst} ms (seed ${recoveryMs.worstSeed}). ` +
      `The latest answer came ${summary.latestAnswerMs} ms after its deadline. ${summary.documentWrites.unclear} writes of documents ended without an answer or with an error.`,
    failed.length === 0 ? 'No invariant was violated.' : table(['violated', 'times'], summary.violations),
    ...failed.map((run) => `\`\`\`\n${describeFailure(run, size)}\n\`\`\``),
  ].join('\n\n');
}
