import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { loadConfig } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { createLogger } from '@rerank-fleet/core/observability';
import { fastVariant } from '@rerank-fleet/worker/composition/fast-variant';
import { TextPool } from '@rerank-fleet/worker/tokenization/text-pool';
import { chosen } from '../../test/support/environment.ts';

/** The reranker that a stack of our own serves. */
export async function resolveDefaultModel(): Promise<ResolvedModel> {
  return await resolveModel(DEFAULT_RERANKER, { cacheDirectory: defaultCacheDirectory(chosen('XDG_CACHE_HOME')) });
}

/** What a session is made of. */
export interface Graph {
  readonly name: string;
  readonly onnxPath: string;
  readonly withoutOptimizers: readonly string[];
}

/** The graph that a worker runs for a model (FAST_GRAPH=false: the file), so that a bare loop differs from it by nothing but the way. */
export async function graphOf(model: ResolvedModel): Promise<Graph> {
  const settings = { XDG_CACHE_HOME: chosen('XDG_CACHE_HOME'), FAST_GRAPH: chosen('FAST_GRAPH') };
  const config = loadConfig(Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)));
  const encoder = await TextPool.start({ models: [model], threads: 1 });
  const fast = await fastVariant(model, { config, log: createLogger({ level: 'warn', process: 'bench' }), encoder });
  await encoder.close();
  return fast ?? { name: 'the file', onnxPath: model.onnxPath, withoutOptimizers: [] };
}

/** The same text to every tokenizer, but another key to every cache: a turn must not live on what an earlier one left in the worker. */
export function unseen(texts: readonly string[], turn: number): string[] {
  return texts.map((text) => text + ' '.repeat(turn));
}
