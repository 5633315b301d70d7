import { describe, expect, it } from 'vitest';
import config from '../../.dependency-cruiser.mjs';
import { cruiseBoundaries, describeViolation } from './cruise.ts';
import { type PlantedFiles, withPlantedTree } from './planted-tree.ts';
import { REPOSITORY_ROOT } from './repository-root.ts';

const NOTHING = 'export const nothing = 0;\n';
const importing = (...specifiers: string[]): string => specifiers.map((specifier) => `import '${specifier}';\n`).join('');

/** At least one tree for each rule, each with exactly one thing wrong. */
const PLANTED: readonly (readonly [rule: string, what: string, files: PlantedFiles])[] = [
  [
    'no-cycles',
    'two modules that import each other',
    { 'libs/core/src/domain/a.ts': importing('./b.js'), 'libs/core/src/domain/b.ts': importing('./a.js') },
  ],
  ['resolvable', 'an import of a file that is not there', { 'apps/worker/src/main.ts': importing('./gone.js') }],
  [
    'sources-not-builds',
    'a relative import of a build',
    { 'apps/cli/src/main.ts': importing('../../../libs/core/dist/errors/index.js'), 'libs/core/dist/errors/index.js': NOTHING },
  ],
  ['domain-imports-nothing', 'a package in the domain', { 'libs/core/src/domain/a.ts': importing('zod') }],
  ['domain-imports-nothing', 'a node: module in the domain', { 'libs/core/src/domain/a.ts': importing('node:crypto') }],
  [
    'domain-imports-nothing',
    'a type of a port in the domain',
    {
      'libs/core/src/domain/a.ts': "import type { A } from '../ports/a.js';\nexport type B = A;\n",
      'libs/core/src/ports/a.ts': 'export type A = 0;\n',
    },
  ],
  ['errors-import-nothing', 'a package in the errors', { 'libs/core/src/errors/a.ts': importing('zod') }],
  [
    'ports-import-domain-and-errors',
    'contracts in a port',
    { 'libs/core/src/ports/a.ts': importing('../contracts/a.js'), 'libs/core/src/contracts/a.ts': NOTHING },
  ],
  ['ports-import-domain-and-errors', 'a vendor’s type in a port', { 'libs/core/src/ports/a.ts': "export type { Job } from 'bullmq';\n" }],
  ['ports-take-types-only-from-node', 'a node: module at run time in a port', { 'libs/core/src/ports/a.ts': importing('node:fs') }],
  [
    'contracts-import-domain-errors-zod',
    'a port in a contract',
    { 'libs/core/src/contracts/a.ts': importing('../ports/a.js'), 'libs/core/src/ports/a.ts': NOTHING },
  ],
  [
    'pipeline-sees-ports-only',
    'another folder of the worker in the pipeline',
    { 'apps/worker/src/pipeline/score.ts': importing('../inference/a.js'), 'apps/worker/src/inference/a.ts': NOTHING },
  ],
  ['pipeline-sees-ports-only', 'the network in the pipeline', { 'apps/worker/src/pipeline/score.ts': importing('node:net') }],
  ['pipeline-sees-ports-only', 'a package in the pipeline', { 'apps/worker/src/pipeline/score.ts': importing('zod') }],
  ['ioredis-in-its-adapters', 'ioredis in the worker', { 'apps/worker/src/tasks/a.ts': importing('ioredis') }],
  ['bullmq-in-its-adapter', 'bullmq beside the tasks', { 'apps/worker/src/tasks/a.ts': importing('bullmq') }],
  ['bullmq-in-its-adapter', 'bullmq in a composition root', { 'apps/worker/src/main.ts': importing('bullmq') }],
  [
    'qdrant-in-its-adapter',
    'the Qdrant client in the embedded adapter',
    { 'libs/core/src/adapters/embedded/a.ts': importing('@qdrant/js-client-rest') },
  ],
  [
    'aws-in-its-adapter',
    'the AWS SDK beside its adapter',
    { 'libs/core/src/adapters/blobs/open-blob-store.ts': importing('@aws-sdk/client-s3') },
  ],
  [
    's3-loaded-on-demand',
    'the adapter of S3 loaded with its factory',
    { 'libs/core/src/adapters/blobs/open-blob-store.ts': importing('./s3-store.js'), 'libs/core/src/adapters/blobs/s3-store.ts': NOTHING },
  ],
  ['sqlite-in-its-homes', 'node:sqlite in the API', { 'apps/api/src/corpora/a.ts': importing('node:sqlite') }],
  ['onnxruntime-in-inference', 'onnxruntime-node beside the tasks', { 'apps/worker/src/tasks/a.ts': importing('onnxruntime-node') }],
  [
    'tokenizers-in-tokenization',
    'the tokenizer in the inference folder',
    { 'apps/worker/src/inference/a.ts': importing('@huggingface/tokenizers') },
  ],
  ['protobuf-in-the-graph', 'protobufjs beside the graph', { 'apps/worker/src/inference/a.ts': importing('protobufjs/light.js') }],
  ['opentelemetry-in-tracing', 'OpenTelemetry in a step of the pipeline', { 'apps/worker/src/ops/a.ts': importing('@opentelemetry/api') }],
  ['prom-client-in-observability', 'prom-client in the worker', { 'apps/worker/src/ops/a.ts': importing('prom-client') }],
  ['nest-in-the-api', 'Nest in the worker', { 'apps/worker/src/main.ts': importing('@nestjs/common') }],
  ['bull-board-in-its-file', 'Bull Board in a service', { 'apps/api/src/admin/queues.service.ts': importing('@bull-board/api') }],
  [
    'adapters-wired-at-the-roots',
    'an adapter in a controller',
    {
      'apps/api/src/search/search.controller.ts': importing('@rerank-fleet/core/adapters/qdrant/a'),
      'libs/core/src/adapters/qdrant/a.ts': NOTHING,
    },
  ],
  [
    'adapters-wired-at-the-roots',
    'an adapter in a library',
    { 'libs/core/src/retrieval/a.ts': importing('../adapters/qdrant/a.js'), 'libs/core/src/adapters/qdrant/a.ts': NOTHING },
  ],
  [
    'apps-apart',
    'the worker in the CLI',
    { 'apps/cli/src/main.ts': importing('@rerank-fleet/worker/main'), 'apps/worker/src/main.ts': NOTHING },
  ],
  [
    'libs-below-apps',
    'an app in a library',
    { 'libs/core/src/retrieval/a.ts': importing('../../../../apps/api/src/a.js'), 'apps/api/src/a.ts': NOTHING },
  ],
  [
    'web-sees-the-client',
    'the configuration in a page',
    { 'apps/web/src/app/a.tsx': importing('@rerank-fleet/core/config'), 'libs/core/src/config/index.ts': NOTHING },
  ],
  ['browser-without-node', 'a node: module in a page', { 'apps/web/src/app/a.tsx': importing('node:path') }],
  ['browser-without-node', 'a node: module in the client', { 'libs/client/src/a.ts': importing('node:crypto') }],
  ['preact-in-the-web', 'preact in the API', { 'apps/api/src/web/a.ts': importing('preact') }],
  [
    'client-sees-contracts',
    'a port in the client',
    { 'libs/client/src/index.ts': importing('@rerank-fleet/core/ports'), 'libs/core/src/ports/index.ts': NOTHING },
  ],
  [
    'api-without-model-runtime',
    'the runtime three imports away from the API',
    {
      'apps/api/src/main.ts': importing('@rerank-fleet/core/models'),
      'libs/core/src/models/index.ts': importing('./probe.js'),
      'libs/core/src/models/probe.ts': importing('onnxruntime-node'),
    },
  ],
  ['api-without-model-runtime', 'the tokenizer in the API', { 'apps/api/src/main.ts': importing('@huggingface/tokenizers') }],
  ['source-without-tests', 'a test tool in a source', { 'libs/core/src/retrieval/a.ts': importing('vitest') }],
  [
    'source-without-tests',
    'test support in a source',
    { 'apps/api/src/a.ts': importing('../../../test/support/a.js'), 'test/support/a.ts': NOTHING },
  ],
];

/** What the rules let through on purpose. */
const ALLOWED: PlantedFiles = {
  'libs/core/src/domain/a.ts': NOTHING,
  'libs/core/src/domain/a.test.ts': importing('vitest', 'fast-check', './a.js'),
  'libs/core/src/errors/index.ts': NOTHING,
  'libs/core/src/ports/index.ts': "import type { Readable } from 'node:stream';\nimport '../domain/a.js';\nexport type Body = Readable;\n",
  'libs/core/src/contracts/index.ts': importing('zod', '../domain/a.js', '../errors/index.js'),
  'libs/core/src/adapters/redis/connection.ts': importing('ioredis', '../../ports/index.js'),
  'libs/core/src/adapters/bullmq/queue.ts': importing('bullmq', 'ioredis', '../redis/connection.js'),
  'libs/core/src/adapters/embedded/store.ts': importing('node:sqlite'),
  'libs/core/src/adapters/qdrant/store.ts': importing('@qdrant/js-client-rest'),
  'libs/core/src/adapters/blobs/open.ts': "export const open = () => import('./s3-store.js');\n",
  'libs/core/src/adapters/blobs/s3-store.ts': importing('@aws-sdk/client-s3'),
  'libs/client/src/index.ts': importing('@rerank-fleet/core/contracts', '@rerank-fleet/core/errors'),
  'apps/api/src/main.ts': importing('@nestjs/common', './adapters.module.js'),
  'apps/api/src/adapters.module.ts': importing('@rerank-fleet/core/adapters/bullmq/queue', '@rerank-fleet/core/adapters/qdrant/store'),
  'apps/worker/src/main.ts': importing('./composition.js'),
  'apps/worker/src/composition.ts': importing(
    '@rerank-fleet/core/adapters/embedded/store',
    './pipeline/score.js',
    './inference/a.js',
    './tokenization/a.js',
  ),
  'apps/worker/src/inference/a.ts': importing('onnxruntime-node'),
  'apps/worker/src/tokenization/a.ts': importing('@huggingface/tokenizers'),
  'apps/worker/src/pipeline/score.ts': importing('@rerank-fleet/core/ports', 'node:perf_hooks', './rank.js'),
  'apps/worker/src/pipeline/rank.ts': NOTHING,
  'bench/engine.ts': importing('../apps/worker/src/inference/a.js', '../apps/api/src/main.js', 'bullmq'),
};

describe('the boundary rules', () => {
  it('find no violation in the repository', async () => {
    const { modules, violations } = await cruiseBoundaries(REPOSITORY_ROOT);
    expect(violations.map(describeViolation)).toEqual([]);
    expect(modules).toEqual(expect.arrayContaining(['libs/core/src/ports/candidate-store.ts', 'libs/core/src/domain/candidate.ts']));
    expect(modules.length).toBeGreaterThan(20);
  });

  it.each(PLANTED)('%s: find %s', async (rule, _what, files) => {
    const violations = await withPlantedTree(files, async (root) => (await cruiseBoundaries(root)).violations);
    expect(violations.map((violation) => violation.rule.name)).toContain(rule);
  });

  it('have a planted violation each', () => {
    const rules = config.forbidden.map((rule) => rule.name);
    expect(new Set(PLANTED.map(([rule]) => rule))).toEqual(new Set(rules));
  });

  it('let through what the architecture allows', async () => {
    const cruised = await withPlantedTree(ALLOWED, cruiseBoundaries);
    expect(cruised.violations.map(describeViolation)).toEqual([]);
    expect([...cruised.modules].sort()).toEqual(Object.keys(ALLOWED).sort());
  });
});
