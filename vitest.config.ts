import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** One project a kind of test, in the order of STYLE: unit beside the source, everything else under `test/`, on the built packages. */
const project = (name: string, include: string[], timeoutMs: number, fileParallelism = true) => ({
  test: { name, include, testTimeout: timeoutMs, hookTimeout: timeoutMs, fileParallelism },
});

export default defineConfig({
  test: {
    // Most of a test of processes is waiting: two files at once fit on two cores, of which vitest would keep one for itself.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    reporters: ['default', './test/support/summary-reporter.ts'],
    projects: [
      project('unit', ['libs/*/src/**/*.test.ts', 'apps/*/src/**/*.test.{ts,tsx}'], 15_000),
      project('rules', ['test/rules/**/*.test.ts'], 120_000, false),
      project('deploy', ['test/deploy/**/*.test.ts'], 60_000),
      project('conformance', ['test/conformance/**/*.test.ts'], 60_000),
      project('integration', ['test/integration/**/*.test.ts'], 60_000),
      project('golden', ['test/golden/**/*.test.ts'], 120_000, false),
      project('compat', ['test/compat/**/*.test.ts'], 120_000, false),
      project('e2e', ['test/e2e/**/*.test.ts'], 180_000, false),
      project('chaos', ['test/chaos/**/*.test.ts'], 180_000, false),
    ],
  },
});
