/**
 * The chaos gate: seeded faults on real processes, under load, and a look at what must hold whatever happens.
 *
 *   npm run chaos -- --runs 200 [--seed 1 --size long|short --lanes 3 --runs-per-stack 8 --minutes 60 --out folder]
 *   npm run chaos -- --seed 17          one run, as it was drawn in a longer gate
 *   npm run chaos -- --seeds 12,15,17   these, one after the other, on one stack
 */
import { writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import '../bench/support/source-imports.ts';
import { describeMachine } from '../bench/support/report.ts';

// These import what tests are made of, which the module above lets resolve.
const { SIZES } = await import('../test/chaos/fault-schedule.ts');
const { describeFailure, runGate } = await import('../test/chaos/run-gate.ts');
const { renderReport, summarize } = await import('../test/chaos/report.ts');

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string' },
    size: { type: 'string', default: 'long' },
    lanes: { type: 'string' },
    'runs-per-stack': { type: 'string' },
    minutes: { type: 'string' },
    out: { type: 'string', default: 'chaos-report' },
  },
});

const size = flags.size === 'short' ? SIZES.short : SIZES.long;
const seeds = flags.seeds?.split(',').map(Number) ?? Array.from({ length: Number(flags.runs) }, (_, number) => Number(flags.seed) + number);
// Stacks end with this process; by `exit` they also take their folders with them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
await mkdir(flags.out, { recursive: true });
const startedAt = performance.now();
const runs = await runGate({
  seeds,
  size,
  lanes: Number(flags.lanes ?? (flags.seeds === undefined ? 3 : 1)),
  runsPerStack: Number(flags['runs-per-stack'] ?? (flags.seeds === undefined ? 8 : seeds.length)),
  withinMs: flags.minutes === undefined ? undefined : Number(flags.minutes) * 60_000,
  onRun: (run) => {
    const recovered = run.result === undefined ? '' : `, recovered in ${Math.round(run.result.recovery.tookMs)} ms`;
    if (run.log !== undefined) writeFileSync(join(flags.out, `seed-${run.seed}.log`), run.log);
    console.log(run.violations.length === 0 ? `seed ${run.seed}: ${run.schedule.length} faults${recovered}` : describeFailure(run, size));
  },
});

const summary = summarize(runs, size);
const page = renderReport(summary, runs, { size, machine: describeMachine() });
const failures = runs.filter(({ violations }) => violations.length > 0);
const short = runs.map(({ seed, schedule, violations, before, result }) => ({
  seed,
  schedule,
  violations,
  before,
  recovery: result?.recovery,
}));
await writeFile(
  join(flags.out, 'report.json'),
  JSON.stringify({ ...summary, tookS: Math.round((performance.now() - startedAt) / 1_000), each: short }, null, 2),
);
await writeFile(join(flags.out, 'report.md'), `${page}\n`);
console.log(`\n${page}\n\nAll of it is in ${flags.out}/.`);
process.exit(failures.length === 0 ? 0 : 1);
