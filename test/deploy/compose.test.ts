import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { composeSchema, parseCompose, type ComposeFile } from './compose-file.ts';
import { COMPOSE_RULES } from './compose-rules.ts';
import { plantFault } from './plant-fault.ts';
import { read } from './project-facts.ts';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';
import { childEnvironment } from '../support/environment.ts';

const text = read('docker-compose.yml');
const dockerfile = read('docker/Dockerfile');
const RULES = Object.keys(COMPOSE_RULES);
const parsed = (): ComposeFile => composeSchema.parse(parseCompose(text));

/** Where it is planted: see `plantFault`. */
const VIOLATIONS: readonly (readonly [rule: string, planted: string, place: string, value: unknown])[] = [
  ['foreign images have a version, ours are built and have that of the project', 'latest', 'services redis image', 'redis:latest'],
  ['foreign images have a version, ours are built and have that of the project', 'no tag', 'services api image', 'rerank-fleet-api'],
  ['foreign images have a version, ours are built and have that of the project', 'no target', 'services api build target', 'apis'],
  ['ports are open on the loopback address only', 'an open one', 'services grafana ports 0', '3000:3000'],
  ['our services are told settings only, and no secret in the clear', 'no setting', 'services worker environment RERANK_MODEL', 'x'],
  [
    'our services are told settings only, and no secret in the clear',
    'a key',
    'services api environment API_KEYS',
    '[{"key":"0123456789abcdef"}]',
  ],
  [
    'our services are told settings only, and no secret in the clear',
    'a password',
    'services api environment REDIS_URL',
    'redis://user:password@redis:6379',
  ],
  [
    'what is written is in a named volume that is declared, what is bound is there and cannot be written to',
    'an undeclared one',
    'volumes blobs',
    undefined,
  ],
  [
    'what is written is in a named volume that is declared, what is bound is there and cannot be written to',
    'one of nobody',
    'volumes cache',
    null,
  ],
  [
    'what is written is in a named volume that is declared, what is bound is there and cannot be written to',
    'a file that is not there',
    'services prometheus volumes +',
    './docker/observability/rules.yml:/rules.yml:ro',
  ],
  [
    'what is written is in a named volume that is declared, what is bound is there and cannot be written to',
    'a file that can be written to',
    'services prometheus volumes +',
    './docker/observability/alerts.yml:/rules.yml',
  ],
  ['blobs, stores and models are the same for all who use them', 'other blobs', 'services worker volumes', ['models:/var/cache/rerank']],
  ['blobs, stores and models are the same for all who use them', 'no models', 'services worker volumes', ['blobs:/var/lib/rerank/blobs']],
  [
    'blobs, stores and models are the same for all who use them',
    'another Redis',
    'services worker environment REDIS_URL',
    'redis://other:6379',
  ],
  ['Redis neither evicts nor forgets', 'one that evicts', 'services redis command', ['redis-server', '--appendonly', 'yes']],
  ['our processes have longer to stop than their work', 'a longer drain', 'services worker environment DRAIN_MS', '26000'],
  ['our processes have longer to stop than their work', 'an API that is killed', 'services api stop_grace_period', '25s'],
  ['every service that stays has a health, and who needs it waits for that', 'none', 'services api healthcheck', undefined],
  [
    'every service that stays has a health, and who needs it waits for that',
    'a worker that does not wait for its models to be there',
    'services worker depends_on models condition',
    'service_healthy',
  ],
  [
    'every service that stays has a health, and who needs it waits for that',
    'a worker that waits for what is not started',
    'services worker depends_on models-gpu',
    { condition: 'service_completed_successfully' },
  ],
  ['health is asked where the process answers', 'another question', 'services api healthcheck test', ['CMD', 'true']],
  ['health is asked where the process answers', 'no answer for Prometheus', 'services worker environment OPS_HOST', undefined],
  [
    'a GPU is reserved where one is used, and nothing of it runs without its profile',
    'no reservation',
    'services worker-gpu deploy',
    undefined,
  ],
  [
    'a GPU is reserved where one is used, and nothing of it runs without its profile',
    'no profile',
    'services models-gpu profiles',
    undefined,
  ],
];

describe('docker-compose.yml', () => {
  it('has the services of a fleet, and beside them what a profile adds', () => {
    const { services } = parsed();
    const ofProfile = (profile?: string) =>
      Object.keys(services)
        .filter((name) => services[name]?.profiles?.[0] === profile)
        .sort();
    expect(ofProfile()).toEqual(['api', 'models', 'qdrant', 'redis', 'worker']);
    expect(ofProfile('gpu')).toEqual(['models-gpu', 'worker-gpu']);
    expect(ofProfile('observability')).toEqual(['grafana', 'prometheus']);
  });

  it.each(RULES)('keeps the rule: %s', (rule) => {
    expect(COMPOSE_RULES[rule]!(parsed(), dockerfile)).toEqual([]);
  });

  it.each(VIOLATIONS)('would be seen to break: %s (%s)', (rule, _, place, value) => {
    const file = parsed();
    plantFault(file, place, value);
    expect(COMPOSE_RULES[rule]!(file, dockerfile)).not.toEqual([]);
  });

  it('has a violation planted of each rule', () => {
    expect(new Set(VIOLATIONS.map(([rule]) => rule))).toEqual(new Set(RULES));
  });

  it.each([
    ['a key that is misspelt', 'services api enviroment', {}],
    ['a root that can be written to', 'services redis read_only', undefined],
    ['capabilities', 'services qdrant cap_drop', undefined],
  ])('would be refused with %s', (_, place, value) => {
    const file = parseCompose(text);
    plantFault(file, place, value);
    expect(composeSchema.safeParse(file).success).toBe(false);
  });

  it('is what docker compose takes', (context) => {
    const hasCompose = spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status === 0;
    context.skip(!hasCompose, 'docker compose is not here');
    const { status, stderr } = spawnSync('docker', ['compose', '--profile', '*', 'config', '--quiet'], {
      cwd: REPOSITORY_ROOT,
      env: childEnvironment({ API_KEYS: '[]' }),
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });
});
