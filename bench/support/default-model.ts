import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { chosen } from '../../test/support/environment.ts';

/** The reranker that a stack of our own serves. */
export async function resolveDefaultModel(): Promise<ResolvedModel> {
  return await resolveModel(DEFAULT_RERANKER, { cacheDirectory: defaultCacheDirectory(chosen('XDG_CACHE_HOME')) });
}

/** The same text to every tokenizer, but another key to every cache: a turn must not live on what an earlier one left in the worker. */
export function unseen(texts: readonly string[], turn: number): string[] {
  return texts.map((text) => text + ' '.repeat(turn));
}
