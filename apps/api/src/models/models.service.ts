import type { ModelListBody } from '@rerank-fleet/core/contracts';
import type { FleetModel, FleetView, PoolView } from '@rerank-fleet/core/requests';

/** What can be asked for, as the workers tell it. */
export class ModelsService {
  readonly #fleet: FleetView;

  constructor(fleet: FleetView) {
    this.#fleet = fleet;
  }

  /** @throws RerankError `queue_unavailable` */
  async list(): Promise<ModelListBody> {
    const pools = await this.#fleet.pools();
    const [defaultPool] = pools;
    return {
      object: 'list',
      data: pools.flatMap((pool) => pool.models.map((model) => describe(model, pool, pool === defaultPool && isFirstOfKind(model, pool)))),
    };
  }
}

function isFirstOfKind(model: FleetModel, pool: PoolView): boolean {
  return pool.models.find((candidate) => candidate.kind === model.kind) === model;
}

function describe(model: FleetModel, pool: PoolView, isDefault: boolean): ModelListBody['data'][number] {
  return {
    id: model.name,
    object: 'model',
    created: Math.floor(pool.since / 1_000),
    owned_by: 'rerank-fleet',
    kind: model.kind,
    pool: pool.pool,
    max_length: model.maxLength,
    precision: model.precision,
    sha256: model.sha256,
    live_workers: pool.liveWorkers,
    default: isDefault,
  };
}
