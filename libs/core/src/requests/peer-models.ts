import type { PoolView } from './fleet-view.js';
import { rerankerNames, servedName, type RerankerNeeds } from './route-request.js';

/** Rerankers that only other services have. A client that was pointed here sends their names. */
const PEER_MODELS: ReadonlySet<string> = new Set([
  'rerank-english-v2.0',
  'rerank-multilingual-v2.0',
  'rerank-english-v3.0',
  'rerank-multilingual-v3.0',
  'rerank-v3.5',
  'rerank-v4.0-fast',
  'rerank-v4.0-pro',
  'jina-reranker-v1-base-en',
  'jina-reranker-v2-base-multilingual',
  'jina-reranker-m0',
  'jina-reranker-v3',
  'rerank-lite-1',
  'rerank-1',
  'rerank-2-lite',
  'rerank-2',
  'rerank-2.5-lite',
  'rerank-2.5',
]);

/**
 * A peer's model name stands for the default reranker, unless a worker serves that name or `MODEL_ALIASES` has it. Stages are no dialect
 * of a peer: their names are taken as they are.
 */
export function defaultForPeers(
  pools: readonly PoolView[],
  reranker: RerankerNeeds,
  aliases: Readonly<Record<string, string>>,
): RerankerNeeds {
  if (reranker.kind !== 'named' || Object.hasOwn(aliases, reranker.name)) return reranker;
  const isPeers = PEER_MODELS.has(reranker.name.slice(reranker.name.lastIndexOf('/') + 1));
  const isServed = servedName(reranker.name, new Set(rerankerNames(pools)), aliases) !== undefined;
  return isPeers && !isServed ? { kind: 'default' } : reranker;
}
