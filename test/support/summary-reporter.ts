import type { SerializedError } from 'vitest';
import type { Reporter, TestCase, TestModule, TestRunEndReason, TestSuite } from 'vitest/node';

interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly SkippedTest[];
}

interface SkippedTest {
  readonly name: string;
  readonly reason: string;
}

/**
 * Ends a run with a plain line, `N passed, N failed` or `N passed, N failed, N skipped`, after everything else that the process prints:
 * scripts read it. A failed hook, a file that does not load and an unhandled error count as failures, so a red run never says
 * `0 failed`.
 */
export default class SummaryReporter implements Reporter {
  private tally: Tally | undefined;

  onInit(): void {
    process.once('exit', (code) => {
      process.stdout.write(report(this.tally, code));
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], reason: TestRunEndReason): void {
    this.tally = count(modules, unhandled.length, reason);
  }
}

function count(modules: readonly TestModule[], unhandled: number, reason: TestRunEndReason): Tally {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const suites = modules.flatMap((module) => [...module.children.allSuites()]);
  const inState = (state: string): TestCase[] => tests.filter((test) => test.result().state === state);
  // A file's own errors are those of its hooks, too.
  const broken = [...modules, ...suites].filter((part) => part.errors().length > 0).length;
  // A test still pending at the end was cut off; a run that was cut off is red even if it was between two tests.
  const failed = inState('failed').length + inState('pending').length + broken + unhandled;
  return {
    passed: inState('passed').length,
    failed: reason === 'passed' ? failed : Math.max(failed, 1),
    skipped: inState('skipped').map((test) => ({ name: `${test.module.relativeModuleId} > ${test.fullName}`, reason: skipReason(test) })),
  };
}

function skipReason(test: TestCase): string {
  const result = test.result();
  if (result.state === 'skipped' && result.note !== undefined) return result.note;
  const broken = ancestors(test).find((part) => part.errors().length > 0);
  if (broken !== undefined) return 'a hook before it failed';
  return test.options.mode === 'todo' ? 'still to be written' : 'left out of this run, no reason given';
}

function ancestors(test: TestCase): (TestSuite | TestModule)[] {
  const found: (TestSuite | TestModule)[] = [];
  for (let part: TestSuite | TestModule = test.parent; ; part = part.parent) {
    found.push(part);
    if (part.type === 'module') return found;
  }
}

/** `code` has the last word: whatever ended the process with an error is a failure, also when no test is to blame. */
function report(tally: Tally | undefined, code: number): string {
  const { passed, failed, skipped } = tally ?? { passed: 0, failed: 0, skipped: [] };
  const reasons = skipped.map(({ name, reason }) => `  ${name}: ${reason}\n`);
  const list = reasons.length === 0 ? '' : `\nSkipped:\n${reasons.join('')}`;
  const red = code === 0 ? failed : Math.max(failed, 1);
  const line = [
    `${String(passed)} passed`,
    `${String(red)} failed`,
    ...(skipped.length === 0 ? [] : [`${String(skipped.length)} skipped`]),
  ];
  return `${list}\n${line.join(', ')}\n`;
}
