import type { WorkerAnnouncement, WorkerBody, WorkerListBody } from '@rerank-fleet/core/contracts';

export interface WorkersServiceParts {
  readonly fleet: { live(): Promise<readonly WorkerAnnouncement[]> };
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

/** The live workers, by what they last said of themselves. */
export class WorkersService {
  readonly #parts: WorkersServiceParts;

  constructor(parts: WorkersServiceParts) {
    this.#parts = parts;
  }

  /**
   * By pool, then by id.
   *
   * @throws RerankError `queue_unavailable`
   */
  async list(): Promise<WorkerListBody> {
    const live = await this.#parts.fleet.live();
    const sorted = live.toSorted((a, b) => compare(a.pool, b.pool) || compare(a.worker_id, b.worker_id));
    return { object: 'list', data: sorted.map((worker) => describe(worker, this.#parts.now())) };
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

function describe(worker: WorkerAnnouncement, now: number): WorkerBody {
  const { announced_at: announcedAt, rss_bytes: rssBytes, engine, stats } = worker;
  return {
    id: worker.worker_id,
    pool: worker.pool,
    state: worker.state,
    device: worker.device,
    models: worker.models.map(({ name, kind, precision, sha256, maxLength }) => ({
      id: name,
      kind,
      precision,
      sha256,
      max_length: maxLength,
    })),
    started_at: Math.floor(worker.started_at / 1_000),
    ...(engine === undefined ? {} : { engine }),
    ...(announcedAt === undefined ? {} : { heartbeat_age_ms: Math.max(0, Math.round(now - announcedAt)) }),
    ...(rssBytes === undefined ? {} : { rss_bytes: rssBytes }),
    ...(stats === undefined ? {} : describeWork(stats)),
  };
}

function describeWork({
  cache_hits: hits = 0,
  cache_misses: misses = 0,
  ...work
}: NonNullable<WorkerAnnouncement['stats']>): Partial<WorkerBody> {
  return { ...work, ...(hits + misses === 0 ? {} : { cache_hit_rate: hits / (hits + misses) }) };
}
