import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { FIELDS } from '@rerank-fleet/core/config';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { REPOSITORY_ROOT } from './repository-root.ts';

const read = (file: string): string => readFileSync(path.join(REPOSITORY_ROOT, file), 'utf8');

/** As much of the compose specification as our file uses; anything else in it is a mistake until it is written here. */
const serviceSchema = z.strictObject({
  build: z.strictObject({ context: z.string(), dockerfile: z.string(), target: z.string() }).optional(),
  image: z.string(),
  init: z.literal(true).optional(),
  restart: z.literal('unless-stopped'),
  command: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  secrets: z.array(z.string()).optional(),
  volumes: z.array(z.string()),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.literal('service_healthy') })).optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  stop_grace_period: z.string().optional(),
  healthcheck: z.strictObject({
    test: z.array(z.string()).min(2),
    interval: z.string(),
    timeout: z.string(),
    retries: z.int(),
    start_period: z.string().optional(),
  }),
});

const composeSchema = z
  .object({
    name: z.literal('rerank-fleet'),
    services: z.record(z.string(), serviceSchema),
    volumes: z.record(z.string(), z.null()),
    secrets: z.record(z.string(), z.strictObject({ environment: z.string() })),
  })
  .catchall(z.unknown());

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
const dockerfile = read('docker/Dockerfile');
const services = Object.entries(compose.services);

const settings: ReadonlyMap<string, boolean> = new Map(
  Object.values(FIELDS).flatMap((section) =>
    Object.values(section).map((field: { env: string; secret?: boolean }) => [field.env, field.secret === true] as const),
  ),
);

describe('the compose file', () => {
  it('runs redis, qdrant, the API and a worker', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['api', 'qdrant', 'redis', 'worker']);
  });

  it.each(services)('pins the version of a foreign image or builds our own: %s', (_name, service) => {
    if (service.build === undefined) expect(service.image).toMatch(/:v?\d+\.\d+/);
    else expect(dockerfile).toMatch(new RegExp(`^FROM \\S+ AS ${service.build.target}$`, 'm'));
  });

  it.each(services)('opens ports on the loopback address only: %s', (_name, service) => {
    expect((service.ports ?? []).filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  it.each(services)('sets what the configuration knows, and no secret in the clear: %s', (_name, service) => {
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      expect([...settings.keys()]).toContain(variable);
      // An address is a secret only if it carries a password.
      if (settings.get(variable) === true) expect(value).toMatch(/^(?:\/run\/secrets\/|[a-z]+:\/\/[^@]+$)/);
    }
  });

  it('keeps what the services write in named volumes that are declared', () => {
    const mounted = services.flatMap(([, service]) => service.volumes.map((volume) => volume.split(':')[0]));
    expect(new Set(mounted)).toEqual(new Set(Object.keys(compose.volumes)));
  });

  it('shares the blobs between the API and the worker', () => {
    const { api, worker } = compose.services;
    expect(api?.volumes).toEqual(worker?.volumes);
    expect(api?.environment?.['BLOB_URL']).toBe(worker?.environment?.['BLOB_URL']);
  });

  it('starts a Redis that neither evicts nor forgets', () => {
    expect(compose.services['redis']?.command?.join(' ')).toMatch(/--appendonly yes .*--maxmemory-policy noeviction/);
  });

  it('gives the worker longer to stop than its tasks have to drain', () => {
    const worker = compose.services['worker'];
    expect(Number.parseInt(worker?.stop_grace_period ?? '', 10) * 1_000).toBeGreaterThan(Number(worker?.environment?.['DRAIN_MS']));
  });
});

describe('the Dockerfile', () => {
  it('copies only what the repository has', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, words = '']) => words.split(' ').slice(0, -1));
    expect(copied.filter((file) => !existsSync(path.join(REPOSITORY_ROOT, file)))).toEqual([]);
    expect(copied).toContain('package-lock.json');
  });

  it('knows every workspace', () => {
    const { workspaces } = z.object({ workspaces: z.array(z.string()) }).parse(JSON.parse(read('package.json')));
    expect(workspaces).toEqual(['libs/*', 'apps/*']);
    const lock = z.object({ packages: z.record(z.string(), z.unknown()) }).parse(JSON.parse(read('package-lock.json')));
    const members = Object.keys(lock.packages).filter((name) => /^(?:libs|apps)\/[^/]+$/.test(name));
    expect(members.filter((name) => !dockerfile.includes(`COPY ${name}/package.json ${name}/`))).toEqual([]);
  });

  it('leaves the model runtime out of the API’s image', () => {
    const api = dockerfile.slice(dockerfile.indexOf(' AS api\n'), dockerfile.indexOf(' AS worker-cpu\n'));
    expect(api).toContain('--from=api-packages');
    expect(api).not.toMatch(/--from=(?:build \/app |worker-packages|models)/);
  });
});

describe('the hosted workflow', () => {
  it('tests against the Qdrant that compose runs', () => {
    const { test } = workflow.jobs;
    expect(test?.services?.['qdrant']?.image).toBe(compose.services['qdrant']?.image);
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
