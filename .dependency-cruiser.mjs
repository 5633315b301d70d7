/**
 * The boundaries of docs/architecture.md. `test/rules/boundaries.test.ts` plants a violation of each rule and looks for its name.
 *
 * A test may look anywhere: it wires what it tests. The rules therefore speak of source files that are no tests, but for cycles and
 * for the model runtime.
 */
const TEST = '\\.test\\.tsx?$';
const ROOTS = ['^apps/[^/]+/src/main\\.ts$', '^apps/[^/]+/src/composition[^/]*(/|\\.ts$)', '^apps/api/src/(app|adapters)\\.module\\.ts$'];
const MODEL_RUNTIME = '(^|/)node_modules/(onnxruntime-(node|web|common)|@huggingface/tokenizers)(/|$)';

/** A package in node_modules. */
const vendor = (/** @type {string} */ name) => `(^|/)node_modules/${name}(/|$)`;

/**
 * Only `homes` may import `target`.
 * @type {(name: string, homes: string[], target: string, comment: string) => import('dependency-cruiser').IForbiddenRuleType}
 */
const only = (name, homes, target, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: '^(libs|apps)/', pathNot: [...homes, TEST] },
  to: { path: target },
});

/**
 * What matches `from` imports itself and `allowed`, nothing else.
 * @type {(name: string, from: string, allowed: string[], comment: string) => import('dependency-cruiser').IForbiddenRuleType}
 */
const sees = (name, from, allowed, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from, pathNot: TEST },
  to: { pathNot: [from, ...allowed] },
});

const NODE =
  '^(node:)?(async_hooks|buffer|crypto|events|fs|fs/promises|os|path|perf_hooks|stream|stream/promises|timers|timers/promises|url|util|worker_threads|zlib)$';

export default {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Modules that need each other are one module.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'An import that cannot be resolved is one that no rule sees.',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'sources-not-builds',
      severity: 'error',
      comment: 'A workspace import that resolves to dist hides its imports from every other rule: add it to tsconfig.check.json.',
      from: {},
      to: { path: '^(libs|apps)/[^/]+/dist/' },
    },
    sees('domain-imports-nothing', '^libs/core/src/domain/', [], 'The domain is words and arithmetic.'),
    sees('errors-import-nothing', '^libs/core/src/errors/', [], 'Everyone imports the errors, so they import no one.'),
    {
      name: 'ports-import-domain-and-errors',
      severity: 'error',
      comment: 'A port says what the house needs, in the words of the domain. Types of node: modules are allowed.',
      from: { path: '^libs/core/src/ports/', pathNot: TEST },
      to: { pathNot: '^libs/core/src/(ports|domain|errors)/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'ports-take-types-only-from-node',
      severity: 'error',
      comment: 'A port has no behaviour, so it needs nothing of Node at run time.',
      from: { path: '^libs/core/src/ports/', pathNot: TEST },
      to: { dependencyTypes: ['core'], dependencyTypesNot: ['type-only'] },
    },
    sees(
      'contracts-import-domain-errors-zod',
      '^libs/core/src/contracts/',
      ['^libs/core/src/(domain|errors)/', vendor('zod')],
      'A contract is read on both ends of a wire.',
    ),
    {
      name: 'pipeline-sees-ports-only',
      severity: 'error',
      comment: 'The steps of a request run on any adapter. Node’s own modules are allowed but for I/O; vendors are not.',
      from: { path: '^apps/worker/src/pipeline/', pathNot: TEST },
      to: { pathNot: ['^apps/worker/src/pipeline/', '^libs/core/src/(ports|domain|errors)/', NODE] },
    },
    only('ioredis-in-its-adapters', ['^libs/core/src/adapters/(redis|bullmq)/'], vendor('ioredis'), 'Redis is spoken in two adapters.'),
    only('bullmq-in-its-adapter', ['^libs/core/src/adapters/bullmq/'], vendor('bullmq'), 'The queue has a port.'),
    only('qdrant-in-its-adapter', ['^libs/core/src/adapters/qdrant/'], vendor('@qdrant/[^/]+'), 'The stores have ports.'),
    only('aws-in-its-adapter', ['^libs/core/src/adapters/blobs/s3-'], vendor('@(aws-sdk|smithy)/[^/]+'), 'The blob store has a port.'),
    {
      name: 's3-loaded-on-demand',
      severity: 'error',
      comment: 'The SDK is large, and who keeps blobs as files never loads it.',
      from: { path: '^(libs|apps)/', pathNot: ['^libs/core/src/adapters/blobs/s3-', TEST] },
      to: { path: '^libs/core/src/adapters/blobs/s3-', dynamic: false },
    },
    only(
      'sqlite-in-its-homes',
      ['^libs/core/src/(adapters/embedded|models)/'],
      '^(node:)?sqlite$',
      'The stores have ports. The lock between processes that pull models is a SQLite file, too.',
    ),
    only('onnxruntime-in-inference', ['^apps/worker/src/inference/'], vendor('onnxruntime-[^/]+'), 'Only inference threads run models.'),
    only(
      'tokenizers-in-tokenization',
      ['^apps/worker/src/tokenization/'],
      vendor('@huggingface/[^/]+'),
      'Truncation is ours; one folder does it.',
    ),
    only('protobuf-in-the-graph', ['^apps/worker/src/graph/'], vendor('protobufjs'), 'One folder reads and writes model files.'),
    only(
      'opentelemetry-in-tracing',
      ['^libs/core/src/observability/tracing/'],
      vendor('@opentelemetry/[^/]+'),
      'Spans are made through one seam, which loads the rest where it is wanted.',
    ),
    only('prom-client-in-observability', ['^libs/core/src/observability/'], vendor('prom-client'), 'Metrics are defined in one place.'),
    only('nest-in-the-api', ['^apps/api/'], vendor('(@nestjs/[^/]+|fastify|@fastify/[^/]+)'), 'The worker and the CLI are plain programs.'),
    only('bull-board-in-its-file', ['^apps/api/src/admin/queue-board'], vendor('@bull-board/[^/]+'), 'It is loaded where it is wanted.'),
    {
      name: 'adapters-wired-at-the-roots',
      severity: 'error',
      comment: 'Everything else takes a port. Adapters may build on each other.',
      from: { path: '^(libs|apps)/', pathNot: [...ROOTS, TEST, '^libs/core/src/adapters/'] },
      to: { path: '^libs/core/src/adapters/' },
    },
    {
      name: 'apps-apart',
      severity: 'error',
      comment: 'Processes meet on the wire, not in memory.',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'libs-below-apps',
      severity: 'error',
      comment: 'A library does not know who uses it.',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'client-sees-contracts',
      severity: 'error',
      comment: 'The client runs where no server code does, the browser included.',
      from: { path: '^libs/client/', pathNot: TEST },
      to: { path: '^libs/core/', pathNot: '^libs/core/src/(contracts|errors|domain)/' },
    },
    {
      name: 'web-sees-the-client',
      severity: 'error',
      comment: 'The pages speak to the service by the client alone; of the core they know what it does.',
      from: { path: '^apps/web/', pathNot: TEST },
      to: { path: '^libs/core/', pathNot: '^libs/core/src/(contracts|errors|domain)/' },
    },
    {
      name: 'browser-without-node',
      severity: 'error',
      comment: 'A browser has none of Node’s modules.',
      from: { path: '^(apps/web|libs/client)/src/', pathNot: TEST },
      to: { dependencyTypes: ['core'] },
    },
    only('preact-in-the-web', ['^apps/web/'], vendor('preact'), 'Only the pages have any.'),
    {
      name: 'api-without-model-runtime',
      severity: 'error',
      comment: 'The API never loads the model runtime, by any way.',
      from: { path: '^apps/api/' },
      to: { path: MODEL_RUNTIME, reachable: true },
    },
    {
      name: 'source-without-tests',
      severity: 'error',
      comment: 'Nothing that ships imports a test, its support or its tools.',
      from: { path: '^(libs|apps)/[^/]+/src/', pathNot: TEST },
      to: { path: [TEST, '^(test|bench)/', vendor('(vitest|fast-check|@vitest/[^/]+)')] },
    },
  ],
  options: {
    // Types count: a port that names a vendor's type has chosen the vendor.
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['(^|/)node_modules/', '^(libs|apps)/[^/]+/dist/'] },
    exclude: { path: '^test/rules/\\.planted/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
    builtInModules: { add: ['node:sqlite', 'sqlite'] },
  },
};
