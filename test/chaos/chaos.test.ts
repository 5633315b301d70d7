import { beforeAll, describe, expect, it } from 'vitest';
import { describeFault, drawFaults, SIZES } from './fault-schedule.ts';
import { describeFailure, runGate, type GateRun } from './run-gate.ts';

/** Short runs of fixed seeds; `npm run chaos` has the long ones. */
const SEEDS = Array.from({ length: 20 }, (_, number) => number + 1);
const ALL_MS = 600_000;

describe('accepted work under faults at random times', () => {
  let runs: ReadonlyMap<number, GateRun>;

  beforeAll(async () => {
    const done = await runGate({ seeds: SEEDS, size: SIZES.short, lanes: 4, runsPerStack: 5 });
    runs = new Map(done.map((run) => [run.seed, run]));
  }, ALL_MS);

  it.each(SEEDS.map((seed) => ({ seed, schedule: drawFaults(seed, SIZES.short).map(describeFault).join('; ') })))(
    'ends once, as it would have without them, and leaves nothing: seed $seed ($schedule)',
    ({ seed }) => {
      const run = runs.get(seed)!;
      // Its text is what a failure shows: seed, schedule and what was found.
      expect(run.violations.length === 0 ? '' : describeFailure(run, SIZES.short)).toBe('');
      expect(run.result?.observation.calls.length).toBeGreaterThan(0);
    },
  );
});
