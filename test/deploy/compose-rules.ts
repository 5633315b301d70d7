import { existsSync } from 'node:fs';
import path from 'node:path';
import { FIELDS } from '@rerank-fleet/core/config';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';
import type { ComposeFile, ComposeService } from './compose-file.ts';
import { API_DRAIN_S, VERSION, WORKER_CLOSE_S } from './project-facts.ts';

export type ComposeRule = (file: ComposeFile, dockerfile: string) => readonly string[];

const SECRET: ReadonlyMap<string, boolean> = new Map(
  Object.values(FIELDS).flatMap((section) =>
    Object.values<{ readonly env: string; readonly secret?: boolean }>(section).map(({ env, secret }) => [env, secret === true] as const),
  ),
);
const faultIf = (isFault: boolean, fault: string): readonly string[] => (isFault ? [fault] : []);
const each =
  (check: (service: ComposeService, file: ComposeFile, dockerfile: string) => readonly string[]): ComposeRule =>
  (file, dockerfile) =>
    Object.entries(file.services).flatMap(([name, service]) => check(service, file, dockerfile).map((fault) => `${name}: ${fault}`));
const isOurs = ({ build }: ComposeService): boolean => build !== undefined;
const seconds = (duration: string | undefined): number => Number.parseInt(duration ?? '10', 10);
const runsOnce = ({ restart }: ComposeService): boolean => restart === 'no';

/** Each rule has a violation planted in compose.test.ts. */
export const COMPOSE_RULES: Readonly<Record<string, ComposeRule>> = {
  'foreign images have a version, ours are built and have that of the project': each((service, _, dockerfile) =>
    service.build === undefined
      ? faultIf(!/:v?\d+\.\d+\.\d+/.test(service.image), `${service.image} has no version`)
      : [
          ...faultIf(
            service.image !== `rerank-fleet-${service.build.target.replace(/^worker$/, '')}:${VERSION}`,
            `${service.image} is not its target`,
          ),
          ...faultIf(
            !new RegExp(`^FROM \\S+ AS ${service.build.target}$`, 'm').test(dockerfile),
            `there is no target ${service.build.target}`,
          ),
          ...faultIf(!existsSync(path.join(REPOSITORY_ROOT, service.build.dockerfile)), 'there is no such Dockerfile'),
        ],
  ),

  'ports are open on the loopback address only': each(({ ports = [] }) =>
    ports.filter((port) => !port.startsWith('127.0.0.1:')).map((port) => `${port} is open to others`),
  ),

  'our services are told settings only, and no secret in the clear': each((service) =>
    isOurs(service)
      ? Object.entries(service.environment ?? {}).flatMap(([name, value]) => [
          ...faultIf(!SECRET.has(name), `${name} is no setting`),
          // An address is a secret only if it carries a password.
          ...faultIf(SECRET.get(name) === true && !/^(?:\$\{[A-Z_]+:\?[^}]+\}|[a-z]+:\/\/[^@]+)$/.test(value), `${name} is in the clear`),
        ])
      : [],
  ),

  'what is written is in a named volume that is declared, what is bound is there and cannot be written to': (file) => {
    const mounts = Object.values(file.services).flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')));
    const bound = mounts.filter(([source = '']) => source.startsWith('.'));
    const named = new Set(mounts.map(([source = '']) => source).filter((source) => !source.startsWith('.')));
    const declared = new Set(Object.keys(file.volumes));
    return [
      ...[...named].filter((name) => !declared.has(name)).map((name) => `${name} is not declared`),
      ...[...declared].filter((name) => !named.has(name)).map((name) => `${name} is used by nobody`),
      ...bound.filter(([source = '']) => !existsSync(path.join(REPOSITORY_ROOT, source))).map(([source]) => `${source} is not there`),
      ...bound.filter(([, , mode]) => mode !== 'ro').map(([source]) => `${source} can be written to`),
    ];
  },

  'blobs, stores and models are the same for all who use them': ({ services }) => {
    const users = Object.entries(services).filter(([, service]) => service.environment?.['REDIS_URL'] !== undefined);
    const first = users[0]?.[1].environment;
    return users.flatMap(([name, { environment = {}, volumes }]) => [
      ...faultIf(
        ['REDIS_URL', 'QDRANT_URL', 'BLOB_URL'].some((variable) => environment[variable] !== first?.[variable]),
        `${name} has other stores`,
      ),
      ...faultIf(!volumes.includes(`blobs:${new URL(environment['BLOB_URL'] ?? 'file:///').pathname}`), `${name} does not share the blobs`),
      ...faultIf(name.startsWith('worker') && !volumes.includes('models:/var/cache/rerank'), `${name} does not have the models`),
    ]);
  },

  'Redis neither evicts nor forgets': ({ services }) =>
    faultIf(
      !/--appendonly yes .*--maxmemory-policy noeviction/.test(services['redis']?.command?.join(' ') ?? ''),
      'it may lose what was accepted',
    ),

  'our processes have longer to stop than their work': each((service) => {
    if (!isOurs(service) || runsOnce(service)) return [];
    const drain = service.environment?.['DRAIN_MS'];
    const needed = drain === undefined ? API_DRAIN_S : Number(drain) / 1_000 + WORKER_CLOSE_S;
    return faultIf(seconds(service.stop_grace_period) <= needed, `it is killed before the ${needed} s that it needs are over`);
  }),

  'every service that stays has a health, and who needs it waits for that': (file) =>
    Object.entries(file.services).flatMap(([name, service]) => [
      ...faultIf(runsOnce(service) === (service.healthcheck !== undefined), `${name} has a health and ends, or has none and stays`),
      ...Object.entries(service.depends_on ?? {}).flatMap(([other, { condition }]) => {
        const needed = file.services[other];
        if (needed === undefined) return [`${name} waits for ${other}, which is not there`];
        return [
          ...faultIf(runsOnce(needed) !== (condition === 'service_completed_successfully'), `${name} waits for ${other} in the wrong way`),
          ...faultIf(
            !(needed.profiles ?? []).every((profile) => service.profiles?.includes(profile)),
            `${name} waits for ${other}, which its profile does not start`,
          ),
        ];
      }),
    ]),

  'health is asked where the process answers': each((service) =>
    isOurs(service) && !runsOnce(service)
      ? [
          ...faultIf(service.healthcheck?.test.join(' ') !== 'CMD node docker/health.mjs', 'another question is asked'),
          ...faultIf(
            service.environment?.['OPS_PORT'] === undefined || service.environment['OPS_HOST'] !== '0.0.0.0',
            'nobody answers Prometheus',
          ),
        ]
      : [],
  ),

  'a GPU is reserved where one is used, and nothing of it runs without its profile': each((service) => {
    const wanted = (service.environment?.['DEVICE'] ?? 'cpu') !== 'cpu';
    const isWorker = service.build?.target.startsWith('worker') === true;
    return [
      ...faultIf(wanted !== (service.profiles?.includes('gpu') === true), 'DEVICE and profile disagree'),
      ...faultIf(
        isWorker && wanted !== (service.deploy !== undefined && service.build?.target === 'worker-gpu'),
        'DEVICE, image and GPU disagree',
      ),
    ];
  }),
};
