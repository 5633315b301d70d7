import { promotedVersion } from '@rerank-fleet/core/corpora';
import { standingCorpus } from '@rerank-fleet/core/domain';
import { ERROR_CATALOGUE, RerankError } from '@rerank-fleet/core/errors';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import {
  chooseStages,
  searchNeedsOf,
  type FleetView,
  type JobRequest,
  type RequestRouter,
  type RouteNeeds,
  type SearchedCorpus,
} from '@rerank-fleet/core/requests';

export interface RowRoutesParts {
  readonly tenant: string;
  readonly documents: Pick<DocumentStore, 'findCorpus'>;
  readonly fleet: FleetView;
  readonly router: RequestRouter;
  /** How long a fleet that never had a worker is waited for. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Where rows of one kind run, or why nowhere. */
export type RowRoute = { readonly pool: string; readonly corpus?: SearchedCorpus } | { readonly error: RerankError };

/** Kinds of rows that are kept in mind: by corpus, models and mode. */
const ROUTES_KEPT = 1_000;

/**
 * Finds out, once for each kind of row, whether its corpus and models are there, and keeps all rows of a job in the pool of its first. What is true of a row
 * may not be any more when it runs; then its result says so.
 */
export class RowRoutes {
  readonly #parts: RowRoutesParts;
  readonly #routes = new Map<string, RowRoute>();
  #pool: string | undefined;

  constructor(parts: RowRoutesParts) {
    this.#parts = parts;
  }

  /** That of the first row that has a route; undefined before. */
  get pool(): string | undefined {
    return this.#pool;
  }

  /**
   * A promise for the first row of its kind, the route itself for all others.
   *
   * @throws RerankError `queue_unavailable`, `candidate_store_unavailable`, `model_unavailable` (no worker ever was)
   */
  of(row: JobRequest): RowRoute | Promise<RowRoute> {
    const key = kindOf(row);
    return this.#routes.get(key) ?? this.#learn(key, row);
  }

  async #learn(key: string, row: JobRequest): Promise<RowRoute> {
    const { fleet, timeoutMs, signal } = this.#parts;
    await fleet.awaitPools({ timeoutMs, signal });
    const route = await this.#find(row).catch((error: unknown) => {
      if (!(error instanceof RerankError) || isOutage(error)) throw error;
      return { error };
    });
    if ('pool' in route) this.#pool ??= route.pool;
    if (this.#routes.size >= ROUTES_KEPT) this.#routes.clear();
    this.#routes.set(key, route);
    return route;
  }

  async #find(row: JobRequest): Promise<RowRoute> {
    const { tenant, documents } = this.#parts;
    if (row.kind === 'rerank') return { pool: await this.#route({ reranker: chooseStages(row.request).reranker }) };
    const { request } = row;
    const corpus = standingCorpus(await documents.findCorpus({ tenant, corpus: request.corpus }));
    if (corpus === undefined)
      throw new RerankError('corpus_not_found', `There is no corpus "${request.corpus}"; GET /v1/corpora lists yours.`, {
        errors: [{ pointer: '/corpus', detail: 'is no corpus of yours' }],
      });
    const version = promotedVersion(corpus);
    const { stages } = corpus.settings;
    const choice = request.rerank ? chooseStages(request, stages) : undefined;
    return { pool: await this.#route(searchNeedsOf(request, version, choice)), corpus: { chunking: version.chunking, stages } };
  }

  async #route(needs: RouteNeeds): Promise<string> {
    const { router, timeoutMs, signal } = this.#parts;
    const { pool } = await router.route(needs, { timeoutMs, signal });
    const own = this.#pool;
    if (own === undefined || pool === own) return pool;
    // The job's pool may not be the first choice, and do as well.
    const isAble = await router.route(needs, { timeoutMs, signal, pool: own }).then(
      () => true,
      (error: unknown) => {
        if (!(error instanceof RerankError) || isOutage(error)) throw error;
        return false;
      },
    );
    if (isAble) return own;
    throw new RerankError(
      'invalid_request',
      `The pool "${pool}" would have to run this, and the job runs in "${own}", as its first request does; send it in another job.`,
    );
  }
}

/** Of something that all rows need: the submission fails, not the row. */
function isOutage({ code }: RerankError): boolean {
  return code !== 'model_unavailable' && ERROR_CATALOGUE[code].retry === 'backoff';
}

function kindOf({ kind, request }: JobRequest): string {
  const models = request.stages?.map(({ model }) => model) ?? request.model;
  if (kind === 'rerank') return models === undefined ? kind : JSON.stringify([kind, models]);
  if (models === undefined && request.rerank && request.mode !== 'sparse') return request.corpus;
  return JSON.stringify([request.corpus, models ?? '', request.rerank, request.mode === 'sparse']);
}
