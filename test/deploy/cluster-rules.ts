import { FIELDS } from '@rerank-fleet/core/config';
import { externalSecrets } from './external-secrets.ts';
import { containersOf, matches, workloadsOf, type Container, type KubernetesObject, type Workload } from './kubernetes-object.ts';
import { API_DRAIN_S, VERSION, WORKER_CLOSE_S } from './project-facts.ts';

/** What is wrong, in sentences; empty where nothing is. */
export type ClusterRule = (objects: readonly KubernetesObject[]) => readonly string[];

const SETTINGS: ReadonlySet<string> = new Set(
  Object.values(FIELDS).flatMap((section) => Object.values<{ readonly env: string }>(section).map(({ env }) => env)),
);
const STORES = ['REDIS_URL', 'QDRANT_URL', 'BLOB_URL'];
const isOurs = ({ image }: Container): boolean => image.startsWith('rerank-fleet-');
const find = (objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject | undefined =>
  objects.find((object) => object.kind === kind && object.metadata.name === name);

const eachWorkload =
  (check: (workload: Workload, objects: readonly KubernetesObject[]) => readonly string[]): ClusterRule =>
  (objects) =>
    workloadsOf(objects).flatMap((workload) => check(workload, objects).map((fault) => `${workload.name}: ${fault}`));

const eachContainer = (
  check: (container: Container, workload: Workload, objects: readonly KubernetesObject[]) => readonly string[],
): ClusterRule =>
  eachWorkload((workload, objects) =>
    containersOf(workload.pod).flatMap((container) => check(container, workload, objects).map((fault) => `${container.name}: ${fault}`)),
  );

const faultIf = (isFault: boolean, fault: string): readonly string[] => (isFault ? [fault] : []);

/** Variables of a container, those of ConfigMaps included; undefined where a secret has the value. */
function variablesOf({ env = [], envFrom = [] }: Container, objects: readonly KubernetesObject[]): ReadonlyMap<string, string | undefined> {
  const shared = envFrom.flatMap(({ configMapRef }) => Object.entries(find(objects, 'ConfigMap', configMapRef?.name ?? '')?.data ?? {}));
  return new Map<string, string | undefined>([...shared, ...env.map(({ name, value }) => [name, value] as const)]);
}

/** Each rule has a violation planted in cluster.test.ts. */
export const CLUSTER_RULES: Readonly<Record<string, ClusterRule>> = {
  'every image has a version, ours that of the project': eachContainer(({ image }) => {
    const tag = /:([^:/]+)$/.exec(image)?.[1];
    return [
      ...faultIf(tag === undefined || !/^v?\d+\.\d+\.\d+/.test(tag), `the image ${image} has no version`),
      ...faultIf(image.startsWith('rerank-fleet-') && tag !== VERSION, `the image ${image} is not of ${VERSION}`),
    ];
  }),

  'no process is root, or may become it': (objects) => [
    ...eachWorkload(({ pod: { securityContext: context } }) => [
      ...faultIf(context?.runAsNonRoot !== true || (context.runAsUser ?? 0) === 0, 'its user may be root'),
      ...faultIf(context?.seccompProfile?.type !== 'RuntimeDefault', 'system calls are not bounded'),
    ])(objects),
    ...eachContainer(({ securityContext: context = {} }) => [
      ...faultIf(context.runAsUser === 0 || context.privileged === true, 'its user is root'),
      ...faultIf(context.allowPrivilegeEscalation !== false, 'it may become root'),
      ...faultIf(
        context.capabilities?.drop?.includes('ALL') !== true || (context.capabilities.add ?? []).length > 0,
        'it has capabilities',
      ),
    ])(objects),
  ],

  'no container writes to its image': eachContainer(({ securityContext }) =>
    faultIf(securityContext?.readOnlyRootFilesystem !== true, 'its root can be written to'),
  ),

  'no pod has a key to the cluster': eachWorkload(({ pod }) =>
    faultIf(pod.automountServiceAccountToken !== false, 'it gets the token of its account'),
  ),

  'pods have longer to end than their work': eachWorkload(({ pod }, objects) =>
    pod.containers.filter(isOurs).flatMap((container) => {
      const drain = variablesOf(container, objects).get('DRAIN_MS');
      const isApi = container.image.startsWith('rerank-fleet-api');
      const needed = (container.lifecycle?.preStop?.sleep?.seconds ?? 0) + (isApi ? API_DRAIN_S : Number(drain) / 1_000 + WORKER_CLOSE_S);
      return [
        ...faultIf(isApi && container.lifecycle?.preStop === undefined, 'no proxy is given time to learn of its end'),
        ...faultIf(!((pod.terminationGracePeriodSeconds ?? 30) > needed), `it is killed before the ${needed} s that it needs are over`),
      ];
    }),
  ),

  'selectors name labels that pods have': (objects) => {
    const workloads = workloadsOf(objects);
    return objects.flatMap(({ kind, metadata, spec = {} }) => {
      const found = (labels: Parameters<typeof matches>[0]): boolean => workloads.some((workload) => matches(labels, workload.labels));
      if (spec.template !== undefined) {
        const own = spec.template.metadata.labels ?? {};
        const spread = spec.template.spec.topologySpreadConstraints ?? [];
        return [
          ...faultIf(!matches(spec.selector ?? {}, own), `${kind}/${metadata.name} does not select its own pods`),
          ...faultIf(!spread.every(({ labelSelector }) => matches(labelSelector, own)), `${kind}/${metadata.name} spreads other pods`),
          ...faultIf(
            workloads.filter(({ labels }) => matches(spec.selector ?? {}, labels)).length !== 1,
            `${kind}/${metadata.name} selects pods of others`,
          ),
        ];
      }
      if (kind === 'Service')
        return faultIf(!found({ matchLabels: spec.selector as Record<string, string> }), `Service/${metadata.name} has no pods`);
      if (kind === 'ServiceMonitor') {
        const services = objects.filter((object) => object.kind === 'Service');
        const some = services.some((service) => matches(spec.selector ?? {}, service.metadata.labels ?? {}));
        return faultIf(!some, `ServiceMonitor/${metadata.name} has no Service`);
      }
      const selector = spec.podSelector ?? spec.selector;
      return faultIf(selector !== undefined && !found(selector), `${kind}/${metadata.name} has no pods`);
    });
  },

  'ports are there': (objects) => {
    const workloads = workloadsOf(objects);
    const namesOf = (selector: Parameters<typeof matches>[0]): Set<string | number> =>
      new Set(
        workloads
          .filter(({ labels }) => matches(selector, labels))
          .flatMap(({ pod }) =>
            pod.containers.flatMap(({ ports = [] }) => ports.flatMap(({ name, containerPort }) => [name, containerPort])),
          ),
      );
    const probes = eachContainer((container) => {
      const own = new Set((container.ports ?? []).flatMap(({ name, containerPort }) => [name, containerPort]));
      return [container.startupProbe, container.readinessProbe, container.livenessProbe].flatMap((probe) =>
        probe?.httpGet === undefined ? [] : faultIf(!own.has(probe.httpGet.port), `a probe asks port ${probe.httpGet.port}`),
      );
    })(objects);
    const others = objects.flatMap(({ kind, metadata, spec = {} }) => {
      const missing = (wanted: readonly (string | number)[], there: ReadonlySet<string | number>): readonly string[] =>
        wanted.filter((port) => !there.has(port)).map((port) => `${kind}/${metadata.name} names port ${port}`);
      if (kind === 'Service')
        return missing(
          (spec.ports ?? []).map(({ targetPort }) => targetPort),
          namesOf({ matchLabels: spec.selector as Record<string, string> }),
        );
      if (kind === 'PodMonitor')
        return missing(
          (spec.podMetricsEndpoints ?? []).map(({ port }) => port),
          namesOf(spec.selector ?? {}),
        );
      if (kind === 'NetworkPolicy')
        return missing(
          (spec.ingress ?? []).flatMap(({ ports = [] }) => ports.map(({ port }) => port)),
          namesOf(spec.podSelector ?? {}),
        );
      if (kind !== 'ServiceMonitor') return [];
      const services = objects.filter((object) => object.kind === 'Service' && matches(spec.selector ?? {}, object.metadata.labels ?? {}));
      const there = new Set(services.flatMap((service) => (service.spec?.ports ?? []).map(({ name }) => name)));
      return missing(
        (spec.endpoints ?? []).map(({ port }) => port),
        there,
      );
    });
    return [...probes, ...others];
  },

  'our processes are probed on the port for operations, and listen there': eachWorkload(({ pod }, objects) =>
    pod.containers.filter(isOurs).flatMap((container) => {
      const variables = variablesOf(container, objects);
      const port = container.ports?.find(({ name }) => name === 'ops')?.containerPort;
      const { startupProbe, readinessProbe, livenessProbe } = container;
      const paths = [startupProbe, readinessProbe, livenessProbe].map((probe) => probe?.httpGet?.path);
      return [
        ...faultIf(variables.get('OPS_PORT') !== String(port) || variables.get('OPS_HOST') !== '0.0.0.0', 'nobody answers on its port ops'),
        ...faultIf(
          paths.join() !== '/health/ready,/health/ready,/health/live',
          'its probes ask something else than readiness, readiness, life',
        ),
        ...faultIf(
          [startupProbe, readinessProbe, livenessProbe].some((probe) => probe?.httpGet?.port !== 'ops'),
          'a probe asks another port than ops',
        ),
      ];
    }),
  ),

  'what is read of secrets and ConfigMaps is there, or k8s/README.md says who makes it': (objects) => {
    const external = externalSecrets();
    const secret = (name: string, key: string, optional: boolean): readonly string[] => {
      const told = external.get(`${name}/${key}`);
      if (told === undefined) return [`the key ${key} of the secret ${name} is told of nowhere`];
      return faultIf(told.optional !== optional, `whether the key ${key} of the secret ${name} may be missing is told otherwise`);
    };
    const containers = eachContainer(({ env = [], envFrom = [] }) => [
      ...env.flatMap(({ valueFrom }) => {
        const { secretKeyRef: inSecret, configMapKeyRef: inMap } = valueFrom ?? {};
        if (inSecret !== undefined) return secret(inSecret.name, inSecret.key, inSecret.optional === true);
        return inMap === undefined
          ? []
          : faultIf(find(objects, 'ConfigMap', inMap.name)?.data?.[inMap.key] === undefined, `${inMap.name} has no ${inMap.key}`);
      }),
      ...envFrom.flatMap(({ configMapRef, secretRef }) => [
        ...faultIf(secretRef !== undefined, 'it takes all of a secret'),
        ...faultIf(
          configMapRef !== undefined && find(objects, 'ConfigMap', configMapRef.name) === undefined,
          `there is no ConfigMap ${configMapRef?.name}`,
        ),
      ]),
    ])(objects);
    const volumes = eachWorkload(({ pod }) =>
      (pod.volumes ?? []).flatMap(({ name, secret: from }) =>
        from === undefined
          ? []
          : from.items === undefined
            ? [`the volume ${name} takes all of a secret`]
            : from.items.flatMap(({ key }) => secret(from.secretName, key, false)),
      ),
    )(objects);
    const triggers = objects.flatMap(({ spec }) => (spec?.secretTargetRef ?? []).flatMap(({ name, key }) => secret(name, key, false)));
    return [...containers, ...volumes, ...triggers];
  },

  'volumes that are mounted are there, and the other way round': eachWorkload(({ object, pod }, objects) => {
    const there = new Set(
      [...(pod.volumes ?? []), ...(object.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata)].map(({ name }) => name),
    );
    const mounted = new Set(containersOf(pod).flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name)));
    const claims = (pod.volumes ?? []).flatMap(({ persistentVolumeClaim: claim }) => (claim === undefined ? [] : [claim.claimName]));
    return [
      ...[...mounted].filter((name) => !there.has(name)).map((name) => `there is no volume ${name}`),
      ...[...there].filter((name) => !mounted.has(name)).map((name) => `nobody uses the volume ${name}`),
      ...claims.filter((name) => find(objects, 'PersistentVolumeClaim', name) === undefined).map((name) => `nobody claims ${name}`),
    ];
  }),

  'our processes are told nothing but settings, and no secret in the clear': (objects) =>
    eachContainer((container, _, all) =>
      isOurs(container)
        ? [...variablesOf(container, all)].flatMap(([name, value]) => [
            ...faultIf(!SETTINGS.has(name), `${name} is no setting`),
            ...faultIf(value !== undefined && /:\/\/[^/]*@|"key"/.test(value), `${name} holds a secret`),
          ])
        : [],
    )(objects),

  'every API and worker knows its stores': eachWorkload(({ pod }, objects) =>
    pod.containers.filter(isOurs).flatMap((container) => {
      const variables = variablesOf(container, objects);
      return STORES.filter((name) => !variables.has(name)).map((name) => `it is not told ${name}`);
    }),
  ),

  'every container says what it needs': eachContainer(({ resources }) => [
    ...faultIf(resources?.requests?.['cpu'] === undefined || resources.requests['memory'] === undefined, 'it asks for no CPU or memory'),
    ...faultIf(resources?.limits?.['memory'] === undefined, 'its memory has no bound'),
  ]),

  'a GPU is asked for where one is used, and there alone': eachWorkload(({ pod }, objects) =>
    pod.containers.filter(isOurs).flatMap((container) => {
      const wanted = ['cuda', 'webgpu'].includes(variablesOf(container, objects).get('DEVICE') ?? 'cpu');
      const asked = container.resources?.limits?.['nvidia.com/gpu'] === '1';
      const tolerated = pod.tolerations?.some(({ key }) => key === 'nvidia.com/gpu') === true;
      return faultIf(
        wanted !== asked || wanted !== tolerated || wanted !== container.image.includes('worker-gpu'),
        'GPU, toleration, image and DEVICE disagree',
      );
    }),
  ),

  'models are fetched for the device and the models of their worker': eachWorkload(({ pod }, objects) => {
    const [init] = pod.initContainers ?? [];
    const worker = pod.containers[0];
    if (worker === undefined || !worker.image.startsWith('rerank-fleet-worker')) return [];
    if (init === undefined) return ['nobody fetches its models'];
    const [fetched, run] = [variablesOf(init, objects), variablesOf(worker, objects)];
    return ['DEVICE', 'WORKER_POOL', 'RERANK_MODELS', 'EMBEDDING_MODEL', 'HF_ENDPOINT']
      .filter((name) => fetched.get(name) !== run.get(name))
      .map((name) => `${name} is another for who fetches its models`);
  }),

  'scaling has a target, a key and the name of its pool': (objects) =>
    objects
      .filter(({ kind }) => kind === 'ScaledObject')
      .flatMap(({ metadata: { name }, spec = {} }) => {
        const target = find(objects, 'Deployment', spec.scaleTargetRef?.name ?? '');
        const [container] = target?.spec?.template?.spec.containers ?? [];
        const pool = container === undefined ? undefined : variablesOf(container, objects).get('WORKER_POOL');
        const [trigger, ...more] = spec.triggers ?? [];
        const { url, query, targetValue, threshold } = trigger?.metadata ?? {};
        const asked = url === undefined ? /pool="([^"]+)"/.exec(query ?? '')?.[1] : new URL(url).searchParams.get('pool');
        const key = trigger?.authenticationRef?.name ?? '';
        const isKeyless = trigger?.type === 'metrics-api' && find(objects, 'TriggerAuthentication', key) === undefined;
        return [
          ...faultIf(target === undefined, 'it scales nothing'),
          ...faultIf(target?.spec?.replicas !== undefined, 'its target says its replicas itself'),
          ...faultIf(
            more.length > 0 || (targetValue ?? threshold) !== '1' || trigger?.metricType !== 'AverageValue',
            'its answer is no number of workers',
          ),
          ...faultIf(pool === undefined || asked !== pool, `it asks for the pool ${String(asked)}, its workers are of ${String(pool)}`),
          ...faultIf(isKeyless, 'it has no key'),
          ...faultIf(spec.minReplicaCount !== 0, 'it does not scale to zero'),
        ].map((fault) => `ScaledObject/${name}: ${fault}`);
      }),

  'every workload has a policy of the network, and the namespace one that denies': (objects) => {
    const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
    const isEmpty = (selector: object | undefined): boolean => Object.keys(selector ?? {}).length === 0;
    const deny = policies.some(({ spec = {} }) => isEmpty(spec.podSelector) && spec.ingress === undefined && !('egress' in spec));
    const own = workloadsOf(objects).filter(
      ({ labels }) => !policies.some(({ spec = {} }) => !isEmpty(spec.podSelector) && matches(spec.podSelector ?? {}, labels)),
    );
    return [...faultIf(!deny, 'nothing is denied'), ...own.map(({ name }) => `${name} is in no policy of its own`)];
  },

  'everything is in the namespace, once': (objects) => {
    const names = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    return [
      ...objects
        .filter(({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace !== 'rerank-fleet')
        .map(({ kind, metadata }) => `${kind}/${metadata.name} is elsewhere`),
      ...names.filter((name, at) => names.indexOf(name) !== at).map((name) => `${name} is there twice`),
    ];
  },
};
