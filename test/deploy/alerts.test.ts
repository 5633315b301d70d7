import { spawnSync } from 'node:child_process';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { parse } from 'yaml';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';
import { hasProgram } from '../support/prometheus-server.ts';
import { read } from './project-facts.ts';

const ALERTS = 'docker/observability/alerts.yml';
const CONFIG = 'docker/observability/prometheus.yml';
const TESTS = 'test/deploy/alerts.promtool.yml';
const HERE = hasProgram('promtool');

interface RuleTests {
  readonly tests: readonly {
    readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly object[] }[];
  }[];
}

const FAULTS = [
  ['(rerank_fleet_desired_workers) > 0', '(rerank_fleet_desired_workers) > 9'],
  ['unless on (pool) max by (pool) (rerank_fleet_workers_live{state="ready"}) > 0', 'and on (pool) rerank_fleet_workers_live == 0'],
  ['[5m])) > 0.05', '[5m])) > 0.03'],
  ['for: 20m', 'for: 1m'],
  ['Uploads have waited', 'Uploads wait'],
] as const;

const needsPromtool = (context: TestContext): void => context.skip(!HERE, 'promtool, which comes with Prometheus, is not on PATH');

function promtool(parts: readonly string[], root: string = REPOSITORY_ROOT): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', parts, { cwd: root, encoding: 'utf8' });
  return { code: status, said: stdout + stderr };
}

/** The same tests over other alerts. */
async function testsOf(alerts: string): Promise<ReturnType<typeof promtool>> {
  const root = await mkdtemp(path.join(tmpdir(), 'rerank-alerts-'));
  try {
    for (const [file, text] of [
      [ALERTS, alerts],
      [TESTS, read(TESTS)],
    ] as const) {
      await mkdir(path.join(root, path.dirname(file)), { recursive: true });
      await writeFile(path.join(root, file), text);
    }
    return promtool(['test', 'rules', TESTS], root);
  } finally {
    await rm(root, { recursive: true });
  }
}

describe('Prometheus’ own judgement', () => {
  it('takes the configuration of the compose file and the alerts', (context) => {
    needsPromtool(context);
    expect(promtool(['check', 'config', CONFIG])).toMatchObject({ code: 0 });
    expect(promtool(['check', 'rules', ALERTS])).toMatchObject({ code: 0 });
  });

  it('raises each alert when it is due, and none over a fleet that is well', (context) => {
    needsPromtool(context);
    expect(promtool(['test', 'rules', TESTS])).toMatchObject({ code: 0 });
  });

  it('finds alerts that are raised late, early, over a fleet that is well, or with other words', async (context) => {
    needsPromtool(context);
    for (const [from, to] of FAULTS) {
      const planted = read(ALERTS).replace(from, to);
      expect(planted).not.toBe(read(ALERTS));
      expect([to, (await testsOf(planted)).code]).toEqual([to, 1]);
    }
  });
});

describe('the tests of the alerts', () => {
  it('try every alert, raised and not', () => {
    const { groups } = parse(read(ALERTS)) as { readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[] };
    const names = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert)).sort();
    const tried = (parse(read(TESTS)) as RuleTests).tests.flatMap(({ alert_rule_test: tests }) => tests);
    const raised = new Set(tried.filter(({ exp_alerts: expected }) => expected.length > 0).map(({ alertname }) => alertname));
    const quiet = new Set(tried.filter(({ exp_alerts: expected }) => expected.length === 0).map(({ alertname }) => alertname));
    expect([[...raised].sort(), [...quiet].sort()]).toEqual([names, names]);
  });
});
