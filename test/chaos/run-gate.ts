import { inspect } from 'node:util';
import { ChaosStack } from './chaos-stack.ts';
import { chaosRun, type RunResult } from './chaos-run.ts';
import { describeFault, drawFaults, storeOf, type RunSize, type StoreKind } from './fault-schedule.ts';
import type { Violation } from './find-violations.ts';
import { askOracle, type Oracle } from './oracle.ts';
import { within } from './within.ts';

const ASKS_WITHIN_MS = 180_000;

export interface GateOptions {
  readonly seeds: readonly number[];
  readonly size: RunSize;
  /** Stacks at once. Most of a run is waiting for locks to expire, so a few fit on two cores. */
  readonly lanes: number;
  /** Runs on one stack before it is replaced. */
  readonly runsPerStack: number;
  /** Begins no run after so many milliseconds. @defaultValue no bound */
  readonly withinMs?: number | undefined;
  readonly onRun?: (run: GateRun) => void;
}

/** A run as the report tells it. */
export interface GateRun {
  readonly seed: number;
  readonly schedule: readonly string[];
  readonly violations: readonly Violation[];
  /** Undefined where the run itself failed. */
  readonly result?: RunResult;
  /** Seeds of earlier runs on the same stack. */
  readonly before: readonly number[];
  /** Output of the stack's processes, where there are violations. */
  readonly log?: string;
}

/** Runs all seeds, each on a stack that is well. Resolves when every stack has been taken down. */
export async function runGate(options: GateOptions): Promise<readonly GateRun[]> {
  const left = [...options.seeds];
  const runs: GateRun[] = [];
  const endsAt = performance.now() + (options.withinMs ?? Infinity);
  const take = (store?: StoreKind): number | undefined => {
    const next = left.findIndex((seed) => store === undefined || storeOf(seed) === store);
    return next === -1 || performance.now() >= endsAt ? undefined : left.splice(next, 1)[0];
  };
  const lane = async (): Promise<void> => {
    for (let seed = take(); seed !== undefined; seed = take()) runs.push(...(await runOnOneStack(seed, take, options)));
  };
  await Promise.all(Array.from({ length: Math.min(options.lanes, options.seeds.length) }, lane));
  return runs.toSorted((a, b) => a.seed - b.seed);
}

async function runOnOneStack(first: number, take: (store: StoreKind) => number | undefined, options: GateOptions): Promise<GateRun[]> {
  const runs: GateRun[] = [];
  const store = storeOf(first);
  const stack = await ChaosStack.start(store);
  let log = '';
  try {
    const oracle = await within('the asking without faults', ASKS_WITHIN_MS, askOracle(stack.url));
    for (let seed: number | undefined = first; seed !== undefined; seed = runs.length < options.runsPerStack ? take(store) : undefined) {
      const run = await runOnce(stack, oracle, { seed, size: options.size, before: runs.map((done) => done.seed) });
      runs.push(run);
      options.onRun?.(run);
      // What one run broke must not be found again by the next.
      if (run.violations.length > 0) break;
    }
    log = await stack.log();
  } finally {
    const stayed = await stack.stop();
    const last = runs.pop();
    if (last !== undefined) runs.push(stayed.length === 0 ? last : withStayed(last, stayed, log));
  }
  return runs;
}

async function runOnce(
  stack: ChaosStack,
  oracle: Oracle,
  { seed, size, before }: { readonly seed: number; readonly size: RunSize; readonly before: readonly number[] },
): Promise<GateRun> {
  const schedule = drawFaults(seed, size).map(describeFault);
  try {
    const result = await chaosRun(stack, oracle, { seed, size });
    const { violations } = result;
    return { seed, schedule, before, violations, result, ...(violations.length === 0 ? {} : { log: await stack.log() }) };
  } catch (error) {
    const detail = inspect(error);
    return { seed, schedule, before, violations: [{ rule: 'a run comes to its end', detail }], log: await stack.log() };
  }
}

function withStayed(run: GateRun, stayed: readonly number[], log: string): GateRun {
  const violation = { rule: 'no process is left', detail: `after the stack was stopped: ${stayed.join(', ')}` };
  return { ...run, violations: [...run.violations, violation], log };
}

/** What somebody needs to see the violation again. */
export function describeFailure(run: GateRun, size: RunSize): string {
  return [
    `seed ${run.seed} (${size.name}): npm run chaos -- --seed ${run.seed} --size ${size.name}`,
    ...(run.before.length === 0 ? [] : [`after seeds ${run.before.join(', ')} on the same stack`]),
    ...run.schedule.map((fault) => `  ${fault}`),
    ...run.violations.map(({ rule, detail }) => `  VIOLATION ${rule}: ${detail.slice(0, 1_000)}`),
  ].join('\n');
}
