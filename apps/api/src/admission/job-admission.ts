import type { BatchRecord, HoldVerdict, JobRoom, JobSize } from '@rerank-fleet/core/jobs';
import { RerankError } from '@rerank-fleet/core/errors';
import { AdmissionError } from './admission-error.js';
import { JobPlace, type GrowingUpload } from './job-place.js';
import type { JobRoomSettler } from './job-room-settler.js';
import type { RoomForecast } from './room-forecast.js';

export interface JobAdmissionLimits {
  /** Of all jobs of a tenant. */
  readonly tenant: JobSize;
  /** Of one job. */
  readonly job: JobSize;
}

export interface JobAdmissionParts {
  readonly room: JobRoom;
  readonly settler: Pick<JobRoomSettler, 'settle'>;
  readonly forecast: Pick<RoomForecast, 'rowsIn' | 'bytesIn'>;
  readonly limits: JobAdmissionLimits;
}

/** Times that a working memory which is lost again and again is settled for one call. */
const SETTLE_ATTEMPTS = 3;

/** Lets jobs in that fit into what is left of their tenant's rows and bytes. */
export class JobAdmission {
  readonly #parts: JobAdmissionParts;

  constructor(parts: JobAdmissionParts) {
    this.#parts = parts;
  }

  /**
   * Takes room for an upload that begins.
   *
   * @param sentBytes that are to come, as far as the client says; what it says too little of is found as it comes
   * @throws RerankError `overloaded`, `payload_too_large`, `queue_unavailable`, `blob_store_unavailable`
   */
  async begin(tenant: string, upload: GrowingUpload, sentBytes: number): Promise<JobPlace> {
    const place = new JobPlace(upload, sentBytes, (size) => this.#hold(tenant, upload.id, size));
    await place.hold();
    return place;
  }

  /** @throws RerankError `payload_too_large` for what fits into no job */
  assertPossible(size: JobSize): void {
    const { tenant, job } = this.#parts.limits;
    assertPossible(size, { rows: Math.min(tenant.rows, job.rows), bytes: Math.min(tenant.bytes, job.bytes) });
  }

  /** The upload has become a job; its room is the job's until it ends, and what it stores until it is removed. */
  async keep(upload: string, { tenant, id, total, bytes }: BatchRecord): Promise<void> {
    await this.#parts.room.keep(tenant, upload, { id, rows: total, bytes });
  }

  /** The upload has become nothing. */
  async leave(tenant: string, upload: string): Promise<void> {
    await this.#parts.room.free(tenant, upload);
  }

  /** Resolves to the room that is left beyond. */
  async #hold(tenant: string, id: string, size: JobSize): Promise<JobSize> {
    const { room, settler, limits } = this.#parts;
    const most = { rows: Math.min(limits.tenant.rows, limits.job.rows), bytes: Math.min(limits.tenant.bytes, limits.job.bytes) };
    assertPossible(size, most);
    for (let attempt = 0; attempt < SETTLE_ATTEMPTS; attempt += 1) {
      const verdict = await room.hold(tenant, id, size, limits.tenant);
      if (verdict.outcome === 'held')
        return { rows: Math.min(verdict.rows, most.rows - size.rows), bytes: Math.min(verdict.bytes, most.bytes - size.bytes) };
      if (verdict.outcome !== 'unknown') throw await this.#refusal(tenant, verdict);
      await settler.settle(tenant);
    }
    throw new RerankError('queue_unavailable', 'Redis has lost what it knew of your jobs. Try again.', { retryAfterS: 5 });
  }

  async #refusal(tenant: string, { outcome, rows, bytes }: HoldVerdict): Promise<AdmissionError> {
    const { forecast, limits } = this.#parts;
    if (outcome === 'rows')
      return AdmissionError.later(
        'tenant_job_rows',
        `Your jobs that have not ended may have ${limits.tenant.rows} requests; this one is at least ${rows} too many. Try again when some have ended.`,
        await forecast.rowsIn(tenant, rows),
      );
    return AdmissionError.later(
      'tenant_job_bytes',
      `The requests of your jobs may take ${limits.tenant.bytes} bytes; these are at least ${bytes} too many. Remove jobs that you have read, or try again when old ones are gone.`,
      await forecast.bytesIn(tenant, bytes),
    );
  }
}

/** What no waiting helps. */
function assertPossible({ rows, bytes }: JobSize, most: JobSize): void {
  if (rows > most.rows)
    throw AdmissionError.never('job_rows', `The job has more than ${most.rows} requests (MAX_JOB_ROWS). Send them in several jobs.`);
  if (bytes > most.bytes)
    throw AdmissionError.never(
      'job_bytes',
      `The requests of the job take more than ${most.bytes} bytes (MAX_JOB_BYTES). Send them in several jobs.`,
    );
}
