import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Config } from '@rerank-fleet/core/config';
import type { ExitFitJob, ExitFitLine, ExitFitProgress, ExitFitReport } from '@rerank-fleet/core/contracts';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import type { Logger } from '@rerank-fleet/core/observability';
import { collectFromModel, cutForFit, type ModelGraph } from '../exits/collect-from-model.js';
import type { FitSamples } from '../exits/collect-samples.js';
import { corpusLists, type UnlabelledList } from '../exits/corpus-lists.js';
import { encodeLists } from '../exits/encode-lists.js';
import { fittedHeadsPath } from '../exits/find-exit-heads.js';
import { LEAST_QUERIES, type FittedHead } from '../exits/fit-heads.js';
import { fitHeadsOnThreads } from '../exits/fit-heads-on-threads.js';
import { featureCount } from '../exits/pair-features.js';
import { simulateExit } from '../exits/simulate-exit.js';
import { writeFit } from '../exits/write-fit.js';
import { assertDevice } from '../inference/assert-device.js';
import { TextPool } from '../tokenization/text-pool.js';
import { defaultSplit } from '../tuning/engine-shape.js';
import { exitRemarks } from './exit-remarks.js';
import { fastVariant } from './fast-variant.js';
import { resolveReranker } from './resolve-reranker.js';

export interface FitExitsOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly job: ExitFitJob;
  readonly lines: AsyncIterable<ExitFitLine>;
  readonly onProgress: (progress: ExitFitProgress) => void;
}

/**
 * Fits heads for a model on texts that nobody judged, as the model is its own teacher, and writes the file that workers look for at their start.
 *
 * @throws RerankError `model_not_found`, `model_unavailable`; `invalid_request` where the model cannot be cut or the texts are too few; `out_of_memory`
 */
export async function fitExits(options: FitExitsOptions): Promise<ExitFitReport> {
  const { config, job } = options;
  const { device, inferenceThreads } = config.worker;
  if (device !== 'cpu') await assertDevice(device, inferenceThreads);
  const model = await resolveReranker(config, job.model);
  const encoder = await TextPool.start({ models: [model], threads: 1 });
  try {
    return await fit(model, encoder, options);
  } finally {
    await encoder.close();
  }
}

async function fit(model: ResolvedModel, encoder: TextPool, options: FitExitsOptions): Promise<ExitFitReport> {
  const { config, job, onProgress } = options;
  const graph = await graphOf(model, encoder, options);
  // Before the texts are read: a model that cannot be cut needs none.
  const set = await cutForFit(graph, job.cuts);
  const lists = await listsOf(model, encoder, options);
  const { pairs, tooLong } = await encodeLists(lists, model.sha256, encoder);
  assertQueries(pairs.map(({ query }) => query));
  onProgress({ stage: 'score', done: 0, total: pairs.length });
  const samples = await collectFromModel(
    pairs,
    { set, graph },
    { onProgress: (done) => onProgress({ stage: 'score', done, total: pairs.length }) },
  );
  assertQueries(samples.queries);
  let fitted = 0;
  onProgress({ stage: 'fit', done: 0, total: set.cuts.length });
  const heads = await fitHeadsOnThreads(samples, {
    onHead: () => onProgress({ stage: 'fit', done: (fitted += 1), total: set.cuts.length }),
  });
  const path = job.out === undefined ? fittedHeadsPath(model.sha256, graph.cacheDirectory) : resolve(job.out);
  const file = await writeFit(path, { model: model.sha256, samples, heads, fittedOn: job.fitted_on, fittedAt: new Date() });
  const { fitted_on, fitted_at, queries } = file;
  return {
    model: { name: model.name, sha256: model.sha256 },
    path,
    fitted_on,
    ...(fitted_at === undefined ? {} : { fitted_at }),
    pairs: file.pairs,
    queries,
    layers: set.layers,
    ...figuresOf(samples, heads, set.layers),
    remarks: [...remarksOn(samples, { tooLong, notFinite: pairs.length - file.pairs }), ...exitRemarks(config)],
  };
}

async function graphOf(model: ResolvedModel, encoder: TextPool, { config, log }: FitExitsOptions): Promise<ModelGraph> {
  const { device, inferenceThreads, intraOpThreads } = config.worker;
  const fast = await fastVariant(model, { config, log, encoder });
  const split = defaultSplit(device, availableParallelism(), intraOpThreads);
  return {
    name: model.name,
    onnxPath: fast?.onnxPath ?? model.onnxPath,
    withoutOptimizers: fast?.withoutOptimizers ?? [],
    device,
    intraOpThreads: split.intraOpThreads,
    threads: inferenceThreads ?? split.sessions,
    labelIndex: model.labelIndex,
    cacheDirectory: defaultCacheDirectory(config.models.cacheHome),
  };
}

async function listsOf(model: ResolvedModel, encoder: TextPool, { job, lines }: FitExitsOptions): Promise<UnlabelledList[]> {
  const lists: UnlabelledList[] = [];
  const documents: { readonly title?: string; readonly text: string }[] = [];
  const queries: string[] = [];
  for await (const line of lines) {
    if ('documents' in line) lists.push(line);
    else if ('document' in line) documents.push(line.document);
    else queries.push(line.query);
  }
  if (job.corpus === undefined) return lists;
  const { chunking, bm25 } = job.corpus;
  const rules = {
    chunking: { mode: chunking.mode, maxTokens: chunking.max_tokens, overlapTokens: chunking.overlap_tokens },
    bm25: { k1: bm25.k1, b: bm25.b, averageLength: bm25.average_length, language: bm25.language, termHash: 'murmur3-32' },
  } as const;
  return await corpusLists(
    { documents, queries },
    { limit: job.limit, rules, cutDocuments: (texts, by) => encoder.cutDocuments(model.sha256, texts, by, { priority: 'batch' }) },
  );
}

function assertQueries(queries: ArrayLike<number>): void {
  const found = new Set(Array.from(queries)).size;
  if (found >= LEAST_QUERIES) return;
  const detail = `There are pairs of ${found === 1 ? '1 query' : `${found} queries`}; a fit needs ${LEAST_QUERIES} at least, and some hundred to be good.`;
  throw new RerankError('invalid_request', detail);
}

function figuresOf(samples: FitSamples, heads: readonly FittedHead[], layers: number): Pick<ExitFitReport, 'heads' | 'simulation'> {
  const simulation = simulateExit(samples, heads, layers);
  return {
    heads: heads.map(({ kind, figures: { layer, sigma, correlation }, within, other }) => ({
      layer,
      kind,
      sigma,
      correlation,
      correlation_within_query: within,
      other: { kind: other.kind, sigma: other.sigma, correlation: other.correlation, correlation_within_query: other.within },
    })),
    simulation:
      simulation === undefined
        ? null
        : {
            ...simulation,
            efforts: simulation.efforts.map(({ effort, margin, layersRun, overlapAt10 }) => ({
              effort,
              margin,
              layers_run: layersRun,
              overlap_at_10: overlapAt10,
            })),
          },
  };
}

function remarksOn(
  { width, logits }: FitSamples,
  { tooLong, notFinite }: { readonly tooLong: number; readonly notFinite: number },
): string[] {
  const size = featureCount(width);
  return [
    ...(tooLong === 0 ? [] : [`Left out: ${tooLong} ${tooLong === 1 ? 'query that is' : 'queries that are'} too long for the model.`]),
    ...(notFinite === 0 ? [] : [`Left out: ${notFinite} ${notFinite === 1 ? 'pair' : 'pairs'} that the model gives no number for.`]),
    ...(logits.length >= size
      ? []
      : [`These are few pairs: a head of this model has ${size} weights. Some thousand pairs make better ones.`]),
  ];
}
