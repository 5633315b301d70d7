import { RerankError } from '../errors/index.js';
import type { FleetView, PoolView } from './fleet-view.js';
import { defaultForPeers } from './peer-models.js';
import { routeRequest, type RouteChoice, type RouteNeeds } from './route-request.js';

export interface RouteLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** No other pool will do. */
  readonly pool?: string;
}

/** Finds the pool for a request in the fleet as it is. */
export class RequestRouter {
  readonly #fleet: FleetView;
  readonly #aliases: Readonly<Record<string, string>>;

  constructor(fleet: FleetView, aliases: Readonly<Record<string, string>>) {
    this.#fleet = fleet;
    this.#aliases = aliases;
  }

  /**
   * Nobody is refused by a view that may be old: a worker that has just come is looked for once more.
   *
   * @throws RerankError `model_not_found`, `model_unavailable`, `queue_unavailable`; the signal's reason when it aborts
   */
  async route(needs: RouteNeeds, limits: RouteLimits): Promise<RouteChoice> {
    const { pool: only } = limits;
    const among = (all: readonly PoolView[]): readonly PoolView[] => (only === undefined ? all : all.filter(({ pool }) => pool === only));
    const pools = await this.#fleet.awaitPools(limits);
    try {
      return this.#choose(among(pools), needs);
    } catch (error) {
      if (!(error instanceof RerankError)) throw error;
      this.#fleet.forget();
      return this.#choose(among(await this.#fleet.pools()), needs);
    }
  }

  #choose(pools: readonly PoolView[], needs: RouteNeeds): RouteChoice {
    return routeRequest(pools, { ...needs, reranker: defaultForPeers(pools, needs.reranker, this.#aliases) }, this.#aliases);
  }
}
