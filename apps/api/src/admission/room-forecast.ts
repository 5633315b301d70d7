import { describeBatchJob, timeOfJobId, type BatchJobs, type BatchLedger } from '@rerank-fleet/core/jobs';
import type { JobRoom } from '@rerank-fleet/core/jobs';

export interface RoomForecastParts {
  readonly room: Pick<JobRoom, 'held'>;
  readonly jobs: Pick<BatchJobs, 'readableRecord'>;
  readonly ledger: Pick<BatchLedger, 'state'>;
  /** How long jobs that have ended are kept. */
  readonly retentionMs: number;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

/** What is further off is not foreseen: jobs may be cancelled or removed. */
const LONGEST_MS = 3_600_000;
/** Jobs that are looked at; the oldest end first. */
const JOBS_SEEN = 64;

/** Tells when a tenant's jobs will have made room. */
export class RoomForecast {
  readonly #parts: RoomForecastParts;

  constructor(parts: RoomForecastParts) {
    this.#parts = parts;
  }

  /** Milliseconds until jobs with so many rows have ended, at their speed so far; at the latest they expire. */
  async rowsIn(tenant: string, wanted: number): Promise<number> {
    const { sizes, uploads } = await this.#parts.room.held(tenant);
    const open = [...sizes].filter(([id, { rows }]) => rows > 0 && !uploads.has(id)).sort(byId);
    const ends = await Promise.all(
      open.slice(0, JOBS_SEEN).map(async ([id, { rows }]) => ({ amount: rows, inMs: await this.#endOf(tenant, id) })),
    );
    return soonest(ends, wanted);
  }

  /** Milliseconds until jobs of so many bytes are removed for their age. */
  async bytesIn(tenant: string, wanted: number): Promise<number> {
    const { retentionMs, now, room } = this.#parts;
    const { sizes, uploads } = await room.held(tenant);
    const jobs = [...sizes].filter(([id]) => !uploads.has(id));
    return soonest(
      jobs.map(([id, { bytes }]) => ({ amount: bytes, inMs: Math.max(0, timeOfJobId(id) + retentionMs - now()) })),
      wanted,
    );
  }

  async #endOf(tenant: string, id: string): Promise<number> {
    const { jobs, ledger, now } = this.#parts;
    const [record, state] = await Promise.all([jobs.readableRecord(tenant, id), ledger.state(id)]);
    if (record === undefined) return 0;
    const nowMs = now();
    const etaS = describeBatchJob(record, { state, nowMs }).progress.eta_s;
    return Math.max(0, Math.min(record.expires_ms - nowMs, etaS === undefined ? Infinity : etaS * 1_000));
  }
}

function soonest(ends: { readonly amount: number; readonly inMs: number }[], wanted: number): number {
  let found = 0;
  for (const { amount, inMs } of ends.toSorted((a, b) => a.inMs - b.inMs)) {
    found += amount;
    if (found >= wanted) return Math.min(inMs, LONGEST_MS);
  }
  return LONGEST_MS;
}

function byId([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
