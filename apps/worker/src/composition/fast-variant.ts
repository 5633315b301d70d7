import { stat } from 'node:fs/promises';
import { availableMemory } from 'node:process';
import type { Config } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import type { Logger } from '@rerank-fleet/core/observability';
import { GRAPH_VERSION, GraphCache, type GraphRecord } from '../graph/graph-cache.js';
import { buildGraphInProcess } from '../inference/build-graph-in-process.js';
import type { FastVariant } from '../inference/inference-messages.js';
import { runtimeVersion } from '../inference/runtime-version.js';
import type { TokenSequence } from '../pipeline/batch-runner.js';
import { splitSequences, type SequenceEncoder } from '../pipeline/sequence-encoder.js';
import { inferenceModel } from './resolve-configured.js';

export interface FastVariantOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly encoder: SequenceEncoder;
  /** Smaller files are not worth the process that rewrites them. @defaultValue 1 MiB */
  readonly leastBytes?: number;
}

/** On a CPU the fused node is slower than those that it stands for (docs/decisions/0010-…). */
const SLOW_ON_CPU: readonly string[] = ['SkipLayerNormFusion'];
/** The graph, its encoding and two sessions one after the other, as a multiple of the file. */
const BUILD_PER_FILE = 5;
const LEAST_BYTES = 2 ** 20;
/** Where attention is one node without padding: from so many tokens on, a batch with padding costs more than one more run (docs/decisions/0017-…). */
const SEPARATE_FROM = { whole: 96, segments: 128 } as const;

/**
 * A faster variant of a cross-encoder; undefined where there is none, or none is wanted. The first call for a file takes seconds.
 * Where `DETERMINISTIC` is the default the file itself is loaded anyway, and two would take twice the memory.
 */
export async function fastVariant(model: ResolvedModel, options: FastVariantOptions): Promise<FastVariant | undefined> {
  const { device, fastGraph, deterministic } = options.config.worker;
  if (!fastGraph || deterministic || model.kind !== 'cross-encoder') return undefined;
  const rewritten = await rewrittenGraph(model, options).catch((error: unknown) => {
    options.log.warn({ err: error, model: model.name }, 'The graph of the model cannot be rewritten; it runs as it is.');
    return undefined;
  });
  const withoutOptimizers = device === 'cpu' ? SLOW_ON_CPU : [];
  if (rewritten === undefined && withoutOptimizers.length === 0) return undefined;
  const name = [...(rewritten === undefined ? [] : [`graph-${GRAPH_VERSION}`]), ...withoutOptimizers.map((it) => `no-${it}`)].join(' ');
  const separate = (rewritten?.fusedAttentions ?? 0) > 0 ? { separateFrom: SEPARATE_FROM } : {};
  return { name, onnxPath: rewritten?.onnxPath ?? model.onnxPath, withoutOptimizers, ...separate };
}

/** The rewritten graph, where there is one. */
async function rewrittenGraph(
  model: ResolvedModel,
  { config, log, encoder, leastBytes = LEAST_BYTES }: FastVariantOptions,
): Promise<{ readonly onnxPath: string; readonly fusedAttentions: number } | undefined> {
  const { name, sha256, onnxPath, precision } = model;
  const { size } = await stat(onnxPath);
  if (size < leastBytes) return undefined;
  const { device } = config.worker;
  const cache = new GraphCache(defaultCacheDirectory(config.models.cacheHome), { model: sha256, device, onnxruntime: runtimeVersion() });
  let record = await cache.read();
  if (record === undefined) {
    if (size * BUILD_PER_FILE > availableMemory()) {
      log.info({ model: name }, 'There is too little free memory to rewrite the graph of the model; it runs as it is.');
      return undefined;
    }
    const samples = await samplePairs(encoder, sha256);
    // GPU kernels for attention have masks, and their runtime picks them itself.
    const job = { onnxPath, output: inferenceModel(model).output, precision, samples, fusesAttention: device === 'cpu' };
    record = await buildGraphInProcess({ ...job, target: cache.onnxPath });
    if (record !== undefined) await cache.write(record);
    report(record, name, log);
  }
  return record?.outcome === 'rewritten' ? { onnxPath: cache.onnxPath, fusedAttentions: record.fusedAttentions } : undefined;
}

function report(record: GraphRecord | undefined, model: string, log: Logger): void {
  if (record === undefined) log.warn({ model }, 'The process that rewrites graphs failed; the model runs as it is.');
  else if (record.outcome === 'rewritten')
    log.debug(
      { model, worst: record.worst, fusedAttentions: record.fusedAttentions },
      'The model now runs by a faster graph of its weights.',
    );
  else if (record.outcome === 'discarded')
    log.warn({ model, detail: record.detail }, 'The rewritten graph of the model does not score as the original does; it runs as it is.');
  else log.debug({ model, detail: record.detail }, 'The graph of the model is not one that can be rewritten; it runs as it is.');
}

const QUERIES = ['how to prune an apple tree in the winter', 'capital of France'];
const PASSAGES = [
  'Paris is the capital and the largest city of France.',
  'Apple trees are pruned in late winter, while they are dormant: take out dead, diseased and crossing branches first, then thin the crown.',
  'pie',
];

/** Relevant and not, short and long. */
async function samplePairs(encoder: SequenceEncoder, model: string): Promise<TokenSequence[]> {
  const encoded = await Promise.all(QUERIES.map((query) => encoder.encodePairs(model, { query, passages: PASSAGES, policy: 'truncate' })));
  return encoded.flatMap(splitSequences);
}
