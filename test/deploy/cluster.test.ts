import { readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';
import { CLUSTER_RULES } from './cluster-rules.ts';
import { externalSecrets } from './external-secrets.ts';
import { containersOf, workloadsOf, type KubernetesObject } from './kubernetes-object.ts';
import { plantFault } from './plant-fault.ts';
import { read } from './project-facts.ts';
import { KUSTOMIZE, renderOverlay } from './render-overlay.ts';
import { typeFaults } from './type-faults.ts';
import { validateObject } from './validate-object.ts';

const OVERLAYS = readdirSync(path.join(REPOSITORY_ROOT, 'k8s/overlays'));
const COMPONENTS = readdirSync(path.join(REPOSITORY_ROOT, 'k8s/components'));
const RULES = Object.keys(CLUSTER_RULES);
/** Together they have an object of every kind and a worker on each device. */
const PLANTED_IN = 'two-pools';

/** Where it is planted: see `plantFault`. */
const VIOLATIONS: readonly (readonly [rule: string, planted: string, object: string, place: string, value: unknown])[] = [
  [
    'every image has a version, ours that of the project',
    'latest',
    'StatefulSet/redis',
    'spec template spec containers 0 image',
    'redis:latest',
  ],
  [
    'every image has a version, ours that of the project',
    'an old one',
    'Deployment/api',
    'spec template spec containers 0 image',
    'rerank-fleet-api:0.0.9',
  ],
  ['no process is root, or may become it', 'a root pod', 'StatefulSet/redis', 'spec template spec securityContext runAsUser', 0],
  [
    'no process is root, or may become it',
    'a capability',
    'Deployment/worker',
    'spec template spec containers 0 securityContext capabilities add',
    ['SYS_ADMIN'],
  ],
  [
    'no process is root, or may become it',
    'an init container that may become it',
    'Deployment/worker',
    'spec template spec initContainers 0 securityContext allowPrivilegeEscalation',
    undefined,
  ],
  [
    'no container writes to its image',
    'one that does',
    'StatefulSet/qdrant',
    'spec template spec containers 0 securityContext readOnlyRootFilesystem',
    false,
  ],
  ['no pod has a key to the cluster', 'one that has', 'Deployment/api', 'spec template spec automountServiceAccountToken', undefined],
  [
    'pods have longer to end than their work',
    'a worker with 64 s',
    'Deployment/worker',
    'spec template spec terminationGracePeriodSeconds',
    64,
  ],
  [
    'pods have longer to end than their work',
    'a longer drain',
    'Deployment/worker',
    'spec template spec containers 0 env name=DRAIN_MS value',
    '90000',
  ],
  ['pods have longer to end than their work', 'an API with 35 s', 'Deployment/api', 'spec template spec terminationGracePeriodSeconds', 35],
  [
    'pods have longer to end than their work',
    'an API without preStop',
    'Deployment/api',
    'spec template spec containers 0 lifecycle',
    undefined,
  ],
  [
    'selectors name labels that pods have',
    'a Service of nobody',
    'Service/redis',
    'spec selector',
    { 'app.kubernetes.io/component': 'rediss' },
  ],
  [
    'selectors name labels that pods have',
    'a pool that selects the other’s pods',
    'Deployment/worker',
    'spec selector matchLabels rerank-fleet/pool',
    undefined,
  ],
  [
    'selectors name labels that pods have',
    'a budget of nobody',
    'PodDisruptionBudget/worker',
    'spec selector matchLabels rerank-fleet/pool',
    'heavy',
  ],
  [
    'selectors name labels that pods have',
    'a spread of others',
    'Deployment/api',
    'spec template spec topologySpreadConstraints 0 labelSelector matchLabels app.kubernetes.io/component',
    'worker',
  ],
  [
    'selectors name labels that pods have',
    'a scrape of nobody',
    'ServiceMonitor/api',
    'spec selector matchLabels app.kubernetes.io/component',
    'apis',
  ],
  ['ports are there', 'a probe of another', 'StatefulSet/qdrant', 'spec template spec containers 0 livenessProbe httpGet port', 'grpc'],
  ['ports are there', 'a Service to another', 'Service/api', 'spec ports 0 targetPort', 'https'],
  ['ports are there', 'a scrape of another', 'PodMonitor/worker', 'spec podMetricsEndpoints 0 port', 'metrics'],
  ['ports are there', 'a scrape of another of a Service', 'ServiceMonitor/api', 'spec endpoints 0 port', 'metrics'],
  ['ports are there', 'a policy for another', 'NetworkPolicy/api', 'spec ingress 0 ports 0 port', 8081],
  [
    'our processes are probed on the port for operations, and listen there',
    'a liveness that asks Redis',
    'Deployment/api',
    'spec template spec containers 0 livenessProbe httpGet path',
    '/health/ready',
  ],
  [
    'our processes are probed on the port for operations, and listen there',
    'no listener',
    'ConfigMap/rerank-fleet-settings',
    'data OPS_HOST',
    undefined,
  ],
  [
    'what is read of secrets and ConfigMaps is there, or k8s/README.md says who makes it',
    'a secret that nobody tells of',
    'Deployment/api',
    'spec template spec containers 0 env name=BLOB_URL valueFrom secretKeyRef key',
    'uri',
  ],
  [
    'what is read of secrets and ConfigMaps is there, or k8s/README.md says who makes it',
    'one that may be missing',
    'Deployment/api',
    'spec template spec containers 0 env name=BLOB_URL valueFrom secretKeyRef optional',
    true,
  ],
  [
    'what is read of secrets and ConfigMaps is there, or k8s/README.md says who makes it',
    'a ConfigMap that is not there',
    'Deployment/api',
    'spec template spec containers 0 envFrom 0 configMapRef name',
    'settings',
  ],
  [
    'what is read of secrets and ConfigMaps is there, or k8s/README.md says who makes it',
    'a key of the autoscaler that nobody makes',
    'TriggerAuthentication/scaling-key',
    'spec secretTargetRef 0 key',
    'bearer',
  ],
  [
    'volumes that are mounted are there, and the other way round',
    'one that is not',
    'Deployment/worker',
    'spec template spec containers 0 volumeMounts 0 name',
    'cache',
  ],
  [
    'our processes are told nothing but settings, and no secret in the clear',
    'a variable that is none',
    'Deployment/api',
    'spec template spec containers 0 env +',
    { name: 'RERANK_MODEL', value: 'x' },
  ],
  [
    'our processes are told nothing but settings, and no secret in the clear',
    'a password',
    'ConfigMap/rerank-fleet-settings',
    'data REDIS_URL',
    'redis://user:password@redis:6379',
  ],
  ['every API and worker knows its stores', 'one that does not', 'ConfigMap/rerank-fleet-settings', 'data QDRANT_URL', undefined],
  [
    'every container says what it needs',
    'one without bound',
    'StatefulSet/redis',
    'spec template spec containers 0 resources limits',
    undefined,
  ],
  [
    'a GPU is asked for where one is used, and there alone',
    'none asked for',
    'Deployment/worker',
    'spec template spec containers 0 resources limits nvidia.com/gpu',
    undefined,
  ],
  [
    'a GPU is asked for where one is used, and there alone',
    'none used',
    'Deployment/worker',
    'spec template spec containers 0 env name=DEVICE value',
    'cpu',
  ],
  [
    'a GPU is asked for where one is used, and there alone',
    'none tolerated',
    'Deployment/worker',
    'spec template spec tolerations',
    undefined,
  ],
  [
    'models are fetched for the device and the models of their worker',
    'others',
    'Deployment/worker-light',
    'spec template spec containers 0 env name=RERANK_MODELS value',
    'ms-marco-MiniLM-L-4-v2',
  ],
  [
    'scaling has a target, a key and the name of its pool',
    'another pool',
    'ScaledObject/worker-light',
    'spec triggers 0 metadata url',
    'http://api/v1/scaling?pool=default',
  ],
  ['scaling has a target, a key and the name of its pool', 'no key', 'ScaledObject/worker', 'spec triggers 0 authenticationRef', undefined],
  ['scaling has a target, a key and the name of its pool', 'a utilization', 'ScaledObject/worker', 'spec triggers 0 metricType', 'Value'],
  ['scaling has a target, a key and the name of its pool', 'fixed replicas', 'Deployment/worker', 'spec replicas', 3],
  [
    'every workload has a policy of the network, and the namespace one that denies',
    'an open namespace',
    'NetworkPolicy/deny-all',
    'spec podSelector',
    { matchLabels: { a: 'b' } },
  ],
  [
    'every workload has a policy of the network, and the namespace one that denies',
    'a Redis without one',
    'NetworkPolicy/redis',
    'spec podSelector matchLabels app.kubernetes.io/component',
    'rediss',
  ],
  ['everything is in the namespace, once', 'one that is elsewhere', 'Service/api', 'metadata namespace', 'default'],
  ['everything is in the namespace, once', 'one that is there twice', 'Service/qdrant', 'metadata name', 'redis'],
];

function find(objects: readonly KubernetesObject[], name: string): KubernetesObject {
  const found = objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === name);
  if (found === undefined) throw new Error(`There is no ${name} to damage.`);
  return found;
}

const render = (() => {
  const rendered = new Map<string, readonly KubernetesObject[]>();
  return (overlay: string): readonly KubernetesObject[] => {
    const objects = rendered.get(overlay) ?? renderOverlay(overlay);
    rendered.set(overlay, objects);
    return structuredClone(objects);
  };
})();

beforeEach((context) => context.skip(KUSTOMIZE === undefined, 'neither kustomize nor kubectl is here'));

describe('the overlays', () => {
  it('have no field that Kubernetes or an operator does not know', () => {
    expect(typeFaults(OVERLAYS.flatMap(render))).toEqual([]);
  });
});

describe.each(OVERLAYS)('the overlay %s', (overlay) => {
  it('has objects whose values Kubernetes and the operators take', () => {
    const objects = render(overlay);
    expect(objects.length).toBeGreaterThan(15);
    const faults = objects.flatMap((object) => {
      try {
        validateObject(object);
        return [];
      } catch (error) {
        return [`${object.kind}/${object.metadata.name}: ${String(error)}`];
      }
    });
    expect(faults).toEqual([]);
  });

  it.each(RULES)('keeps the rule: %s', (rule) => {
    expect(CLUSTER_RULES[rule]!(render(overlay))).toEqual([]);
  });
});

describe('the rules', () => {
  it.each(VIOLATIONS)('see that it is broken: %s (%s)', (rule, _, object, ...fault) => {
    const objects = render(PLANTED_IN);
    plantFault(find(objects, object), ...fault);
    expect(CLUSTER_RULES[rule]!(objects)).not.toEqual([]);
  });

  it('are broken by somebody each', () => {
    expect(new Set(VIOLATIONS.map(([rule]) => rule))).toEqual(new Set(RULES));
  });

  it.each([
    ['a number that is none', 'spec template spec terminationGracePeriodSeconds', 'long'],
    ['a missing field', 'spec selector', undefined],
  ])('come after the models, which see %s', (_, place, value) => {
    const object = find(render('cpu'), 'Deployment/worker');
    plantFault(object, place, value);
    expect(() => validateObject(object)).toThrow();
  });

  it.each([
    ['a misspelt field', 'Deployment/worker', 'spec template spec containers 0 resource', {}],
    ['a field of another version', 'ScaledObject/worker', 'spec scaleTarget', 'worker'],
    ['a field that there is not', 'ServiceMonitor/api', 'spec endpoints 0 bearer', 'a'],
  ])('come after the types, which see %s', (_, name, place, value) => {
    const object = find(render('cpu'), name);
    expect(typeFaults([object])).toEqual([]);
    plantFault(object, place, value);
    expect(typeFaults([object])).toHaveLength(1);
  });

  it('are not held against a kind that no model is known of', () => {
    expect(() => validateObject({ apiVersion: 'v1', kind: 'Pood', metadata: { name: 'a' } })).toThrow('No model');
  });
});

describe('k8s/', () => {
  it('has no component that no overlay shows', () => {
    const overlays = OVERLAYS.map((overlay) => read(`k8s/overlays/${overlay}/kustomization.yaml`)).join('');
    expect(COMPONENTS.filter((component) => !overlays.includes(`../components/${component}\n`))).toEqual([]);
  });

  it('tells of no secret that nobody reads', () => {
    const refs = OVERLAYS.flatMap((overlay) => JSON.stringify(render(overlay)));
    const unread = [...externalSecrets().keys()].filter((entry) => {
      const [name = '', key = ''] = entry.split('/');
      return !refs.some((text) => text.includes(`"${name}"`) && text.includes(`"key":"${key}"`));
    });
    expect(externalSecrets().size).toBeGreaterThan(5);
    expect(unread).toEqual([]);
  });

  it('scales a pool in every overlay with an operator, and every pool of it', () => {
    for (const overlay of OVERLAYS) {
      const objects = render(overlay);
      const pools = workloadsOf(objects).filter(({ pod: spec }) => containersOf(spec).some(({ name }) => name === 'worker'));
      const scaled = objects.filter(({ kind }) => kind === 'ScaledObject');
      expect([overlay, scaled.length]).toEqual([overlay, overlay === 'kind' ? 0 : pools.length]);
    }
  });
});
