import type { WorkerAnnouncement } from '../contracts/index.js';
import { RerankError } from '../errors/index.js';
import { setTimeout as sleep } from 'node:timers/promises';

export type FleetModel = WorkerAnnouncement['models'][number];

/** What the registry of workers tells. */
export interface FleetSource {
  /** Live workers, newest first. */
  live(): Promise<readonly WorkerAnnouncement[]>;
  /** Every pool that ever had a worker, with its last models. */
  remembered(): Promise<readonly { readonly pool: string; readonly models: readonly FleetModel[] }[]>;
  markDemand(pool: string): Promise<void>;
}

/** A pool with the models that a request can be sent to. */
export interface PoolView {
  readonly pool: string;
  readonly liveWorkers: number;
  /** In the order of the newest worker; where two revisions of a model are live, the newest worker's comes first. */
  readonly models: readonly FleetModel[];
  /** Epoch milliseconds of the newest worker's start; 0 where none lives. */
  readonly since: number;
}

/** Pool of a fleet that was told no other. */
export const DEFAULT_POOL = 'default';

const FRESH_FOR_MS = 500;
/** While requests come, the view is made anew before it is too old, so that none waits for Redis. */
const REFRESH_MS = 400;
const IDLE_MS = 10_000;
const POLL_MS = 250;
const RETRY_WITHOUT_WORKERS_S = 10;

/** The default pool first, then those with live workers, then by name. */
export function poolsOf(
  live: readonly WorkerAnnouncement[],
  remembered: Awaited<ReturnType<FleetSource['remembered']>>,
): readonly PoolView[] {
  const names = new Set([...live.map((worker) => worker.pool), ...remembered.map((pool) => pool.pool)]);
  const views = [...names].map((pool): PoolView => {
    const workers = live.filter((worker) => worker.pool === pool).toSorted(newestReadyFirst);
    const models =
      workers.length > 0 ? workers.flatMap((worker) => worker.models) : (remembered.find((entry) => entry.pool === pool)?.models ?? []);
    return { pool, liveWorkers: workers.length, models: distinct(models), since: workers[0]?.started_at ?? 0 };
  });
  return views.toSorted((a, b) => rank(a) - rank(b) || (a.pool < b.pool ? -1 : 1));
}

const rank = (view: PoolView): number => (view.liveWorkers > 0 ? 0 : 2) + (view.pool === DEFAULT_POOL ? 0 : 1);

function newestReadyFirst(a: WorkerAnnouncement, b: WorkerAnnouncement): number {
  return Number(b.state === 'ready') - Number(a.state === 'ready') || b.started_at - a.started_at;
}

function distinct(models: readonly FleetModel[]): readonly FleetModel[] {
  return [...new Map(models.toReversed().map((model) => [`${model.name} ${model.sha256}`, model])).values()].reverse();
}

/** The fleet as it was at most {@link FRESH_FOR_MS} ago: of requests that come often, none asks Redis itself. */
export class FleetView {
  readonly #source: FleetSource;
  #latest: { readonly at: number; readonly pools: Promise<readonly PoolView[]> } | undefined;
  #usedAt = -Infinity;
  #refresh: NodeJS.Timeout | undefined;

  constructor(source: FleetSource) {
    this.#source = source;
  }

  /** @throws RerankError `queue_unavailable` */
  async pools(): Promise<readonly PoolView[]> {
    const now = performance.now();
    this.#usedAt = now;
    if (this.#latest === undefined || now - this.#latest.at > FRESH_FOR_MS) {
      const entry = { at: now, pools: this.#look() };
      this.#latest = entry;
      entry.pools.catch(() => {
        if (this.#latest === entry) this.#latest = undefined;
      });
    }
    this.#keepFresh();
    return await this.#latest.pools;
  }

  /** The next look asks Redis. */
  forget(): void {
    this.#latest = undefined;
  }

  async #look(): Promise<readonly PoolView[]> {
    const [live, remembered] = await Promise.all([this.#source.live(), this.#source.remembered()]);
    return poolsOf(live, remembered);
  }

  #keepFresh(): void {
    if (this.#refresh !== undefined) return;
    this.#refresh = setTimeout(() => {
      this.#refresh = undefined;
      if (performance.now() - this.#usedAt < IDLE_MS) void this.#lookAgain();
    }, REFRESH_MS).unref();
  }

  /** After a fault the next request looks itself, and learns of it. */
  async #lookAgain(): Promise<void> {
    const [before, at] = [this.#latest, performance.now()];
    const pools = await this.#look().catch(() => undefined);
    if (pools === undefined) return;
    // Somebody looked or forgot meanwhile.
    if (this.#latest === before) this.#latest = { at, pools: Promise.resolve(pools) };
    this.#keepFresh();
  }

  /**
   * The fleet's pools, waiting while no worker has ever announced itself: the first one may be loading its models right now.
   *
   * @throws RerankError `model_unavailable` when the time is over, `queue_unavailable`; the signal's reason when it aborts
   */
  async awaitPools({ timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<readonly PoolView[]> {
    const end = performance.now() + timeoutMs;
    for (let marked = false; ;) {
      const pools = await this.pools();
      if (pools.length > 0) return pools;
      if (!marked) await this.#source.markDemand(DEFAULT_POOL);
      marked = true;
      const left = end - performance.now();
      if (left <= 0) {
        throw new RerankError('model_unavailable', 'No worker has ever announced itself; start one, or try again when it is up.', {
          retryAfterS: RETRY_WITHOUT_WORKERS_S,
        });
      }
      await sleep(Math.min(POLL_MS, left), undefined, { signal });
      this.forget();
    }
  }
}
