import { isQuiet, verdict } from '../support/foreign-load.ts';
import { printTable } from '../support/report.ts';

/** Of the cores, while what a goal is about was timed. */
const FOREIGN_SHARE = 0.05;

export interface Outcome {
  readonly measure: string;
  readonly value: string;
  readonly goal: string;
  readonly verdict: ReturnType<typeof verdict>;
}

/** A goal, judged. Memory is the same whoever has the cores; `foreignShare` is given for what is timed. */
export function goal(
  measure: string,
  value: string,
  aim: string,
  { met, foreignShare = 0 }: { readonly met: boolean; readonly foreignShare?: number },
): Outcome {
  return { measure, value, goal: aim, verdict: verdict(met, isQuiet(foreignShare, FOREIGN_SHARE)) };
}

export function printOutcomes(outcomes: readonly Outcome[]): void {
  printTable(
    ['measure', 'value', 'goal', 'outcome'],
    outcomes.map(({ measure, value, goal: aim, verdict: outcome }) => [measure, value, aim, outcome]),
  );
}
