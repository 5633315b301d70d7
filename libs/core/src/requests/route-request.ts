import { RerankError } from '../errors/index.js';
import type { FleetModel, PoolView } from './fleet-view.js';

export interface ModelPin {
  readonly name: string;
  readonly sha256: string;
}

/** The models that rerank: the one that is named, those of a cascade's stages, the first cross-encoder of the pool, or none. */
export type RerankerNeeds =
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'stages'; readonly names: readonly string[]; readonly of: 'request' | 'corpus' }
  | { readonly kind: 'default' }
  | { readonly kind: 'none' };

/** The file that a corpus was embedded with, or whatever file has the name: one that the request asks for, or that of the corpus' settings. */
export type EmbedderNeeds = ModelPin | { readonly name: string; readonly of: 'request' | 'corpus' };

/** What a request needs of the pool that serves it. */
export interface RouteNeeds {
  readonly reranker: RerankerNeeds;
  /** Needed to embed queries or passages. */
  readonly embedder?: EmbedderNeeds;
}

export interface RouteChoice {
  readonly pool: string;
  /** One a stage, in their order; empty where nothing is reranked. */
  readonly models: readonly ModelPin[];
}

const RETRY_AFTER_S = 10;

/** The name served here for what a client calls a model: an alias, a served name, or the last part of a hub id. */
export function servedName(asked: string, served: ReadonlySet<string>, aliases: Readonly<Record<string, string>>): string | undefined {
  const named = Object.hasOwn(aliases, asked) ? aliases[asked] : undefined;
  for (const name of [named, asked].filter((candidate) => candidate !== undefined)) {
    if (served.has(name)) return name;
    const last = name.slice(name.lastIndexOf('/') + 1);
    if (served.has(last)) return last;
  }
  return undefined;
}

/** Names of the rerankers of all pools, ascending. */
export function rerankerNames(pools: readonly PoolView[]): readonly string[] {
  return [...new Set(pools.flatMap((pool) => pool.models.filter(isReranker).map((model) => model.name)))].sort();
}

/**
 * Chooses the pool, and the models' files, that a request is sent to. All models of a cascade are of one pool. Pools with live workers go first; one whose workers are all gone
 * is still chosen where no other has the model, as they may come back inside the deadline.
 *
 * @throws RerankError `model_not_found` where no pool has the reranker, `model_unavailable` where none has all that is needed
 */
export function routeRequest(pools: readonly PoolView[], needs: RouteNeeds, aliases: Readonly<Record<string, string>>): RouteChoice {
  const names = servedNames(pools, needs.reranker, aliases);
  const able = pools.filter((pool) => needs.embedder === undefined || hasEmbedder(pool, needs.embedder));
  if (able.length === 0 && needs.embedder !== undefined) throw noEmbedder(pools, needs.embedder);
  if (needs.reranker.kind === 'none') return { pool: first(able).pool, models: [] };
  for (const pool of able) {
    const found = names.map((name) =>
      pool.models.find((candidate) => isReranker(candidate) && (name === undefined || candidate.name === name)),
    );
    const models = found.filter((model) => model !== undefined);
    if (models.length === found.length) return { pool: pool.pool, models: models.map(({ name, sha256 }) => ({ name, sha256 })) };
  }
  const beside = needs.embedder === undefined ? '' : ` beside the embedder "${needs.embedder.name}"`;
  throw new RerankError('model_unavailable', `No pool has ${describeNames(names)}${beside}; GET /v1/models lists what there is.`, {
    retryAfterS: RETRY_AFTER_S,
  });
}

/** One a stage; undefined stands for the first cross-encoder of the pool. */
function servedNames(
  pools: readonly PoolView[],
  reranker: RerankerNeeds,
  aliases: Readonly<Record<string, string>>,
): readonly (string | undefined)[] {
  switch (reranker.kind) {
    case 'none':
      return [];
    case 'default':
      return [undefined];
    case 'named':
      return [resolveName(pools, aliases, { asked: reranker.name, pointer: '/model', says: 'No reranker of this name' })];
    case 'stages':
      return reranker.names.map((asked, position) =>
        resolveName(pools, aliases, {
          asked,
          pointer: reranker.of === 'request' ? `/stages/${position}/model` : undefined,
          says: `No reranker of the name "${asked}", which stage ${position + 1} of the ${reranker.of} asks for`,
        }),
      );
  }
}

function resolveName(
  pools: readonly PoolView[],
  aliases: Readonly<Record<string, string>>,
  { asked, pointer, says }: { readonly asked: string; readonly pointer: string | undefined; readonly says: string },
): string {
  const names = rerankerNames(pools);
  const name = servedName(asked, new Set(names), aliases);
  if (name !== undefined) return name;
  const there = names.length === 0 ? 'there is none' : `there is ${names.map((served) => `"${served}"`).join(', ')}`;
  throw new RerankError('model_not_found', `${says}; ${there} (GET /v1/models).`, {
    errors: pointer === undefined ? [] : [{ pointer, detail: 'is not a served reranker' }],
  });
}

function describeNames(names: readonly (string | undefined)[]): string {
  const [name, ...others] = [...new Set(names)];
  if (name === undefined) return 'a reranker';
  return others.length === 0
    ? `the reranker "${name}"`
    : `all the rerankers of the stages (${[name, ...others].map((each) => `"${each}"`).join(', ')})`;
}

function first(pools: readonly PoolView[]): PoolView {
  const [pool] = pools;
  if (pool === undefined)
    throw new RerankError('model_unavailable', 'There is no pool of workers; start a worker.', { retryAfterS: RETRY_AFTER_S });
  return pool;
}

const isReranker = (model: FleetModel): boolean => model.kind === 'cross-encoder';

const isEmbedder = (model: FleetModel): boolean => model.kind === 'embedder';

function hasEmbedder(pool: PoolView, needs: EmbedderNeeds): boolean {
  const embedders = pool.models.filter(isEmbedder);
  if ('sha256' in needs) return embedders.some(({ name, sha256 }) => name === needs.name && sha256 === needs.sha256);
  return servedName(needs.name, new Set(embedders.map(({ name }) => name)), {}) !== undefined;
}

function noEmbedder(pools: readonly PoolView[], needs: EmbedderNeeds): RerankError {
  if ('sha256' in needs)
    return new RerankError(
      'model_unavailable',
      `No pool has the embedder of this corpus ("${needs.name}", file ${needs.sha256.slice(0, 12)}); start a worker with it, or search with mode "sparse".`,
      { retryAfterS: RETRY_AFTER_S },
    );
  if (needs.of === 'corpus')
    return new RerankError('model_unavailable', `No pool has the embedder of this corpus ("${needs.name}"); start a worker with it.`, {
      retryAfterS: RETRY_AFTER_S,
    });
  const names = [...new Set(pools.flatMap(({ models }) => models.filter(isEmbedder).map(({ name }) => name)))].sort();
  const there = names.length === 0 ? 'there is none' : `there is ${names.map((name) => `"${name}"`).join(', ')}`;
  return new RerankError('model_not_found', `No embedder of this name; ${there} (GET /v1/models).`, {
    errors: [{ pointer: '/embedding_model', detail: 'is not a served embedder' }],
  });
}
