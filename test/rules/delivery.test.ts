import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { REPOSITORY_ROOT } from './repository-root.ts';

const read = (file: string): string => readFileSync(path.join(REPOSITORY_ROOT, file), 'utf8');

const composeSchema = z.looseObject({ services: z.record(z.string(), z.looseObject({ image: z.string() })) });

const workflowSchema = z.looseObject({
  permissions: z.strictObject({ contents: z.literal('read') }),
  jobs: z.record(
    z.string(),
    z.looseObject({
      container: z.string().optional(),
      services: z.record(z.string(), z.looseObject({ image: z.string() })).optional(),
      env: z.record(z.string(), z.string()).optional(),
      steps: z.array(z.looseObject({ run: z.string().optional(), uses: z.string().optional() })),
    }),
  ),
});

const compose = composeSchema.parse(parse(read('docker-compose.yml'), { merge: true }));
const workflow = workflowSchema.parse(parse(read('.github/workflows/ci.yml')));

describe('the hosted workflow', () => {
  it('tests against the Qdrant that compose runs', () => {
    const { test } = workflow.jobs;
    expect(`${test?.services?.['qdrant']?.image}-unprivileged`).toBe(compose.services['qdrant']?.image);
    expect(test?.env?.['QDRANT_URL']).toBe('http://127.0.0.1:6333');
  });

  it('runs the checks, and the tests by .ci/run on two systems', () => {
    const runs = Object.values(workflow.jobs).flatMap((job) => job.steps.map((step) => step.run));
    expect(runs.filter((run) => run === 'bash .ci/run')).toHaveLength(2);
    expect(runs).toContain('npm run check');
    expect(workflow.jobs['debian-12-node-18']?.container).toBe('debian:12');
  });

  it('pins every action to a version', () => {
    const used = Object.values(workflow.jobs).flatMap((job) => job.steps.flatMap((step) => step.uses ?? []));
    expect(used.filter((action) => !/@v\d/.test(action))).toEqual([]);
    expect(used.length).toBeGreaterThan(2);
  });
});
