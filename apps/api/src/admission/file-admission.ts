import type { HoldVerdict, JobRoom, JobSize } from '@rerank-fleet/core/jobs';
import { RerankError } from '@rerank-fleet/core/errors';
import { AdmissionError } from './admission-error.js';
import type { FileRoomSettler } from './file-room-settler.js';
import { JobPlace, type GrowingUpload } from './job-place.js';

export interface FileAdmissionParts {
  /** A file is one row of it. */
  readonly room: JobRoom;
  readonly settler: Pick<FileRoomSettler, 'settle'>;
  readonly limits: { readonly files: number; readonly bytes: number };
}

/** Times that what Redis knows is settled for one call: it may be lost again and again. */
const SETTLE_ATTEMPTS = 3;
/** Files go when their owner deletes them, or after days. */
const RETRY_MS = 3_600_000;

/** Lets files in that fit into what is left of their tenant's. */
export class FileAdmission {
  readonly #parts: FileAdmissionParts;

  constructor(parts: FileAdmissionParts) {
    this.#parts = parts;
  }

  /**
   * Takes room for a file that begins to come.
   *
   * @param sentBytes that are to come, as far as the client says; what it says too little of is found as it comes
   * @throws RerankError `overloaded`, `payload_too_large`, `queue_unavailable`, `blob_store_unavailable`
   */
  async begin(tenant: string, upload: GrowingUpload, sentBytes: number): Promise<JobPlace> {
    const place = new JobPlace(upload, sentBytes, (size) => this.#hold(tenant, upload.id, size));
    await place.hold();
    return place;
  }

  /** The file is kept; its room is taken until it is deleted, or its time is over. */
  async keep(tenant: string, { id, bytes }: { readonly id: string; readonly bytes: number }): Promise<void> {
    await this.#parts.room.keep(tenant, id, { id, rows: 1, bytes });
  }

  /** The file is no more, or never was one. */
  async leave(tenant: string, id: string): Promise<void> {
    await this.#parts.room.free(tenant, id);
  }

  /** Resolves to the room that is left beyond. */
  async #hold(tenant: string, id: string, size: JobSize): Promise<JobSize> {
    const { room, settler, limits } = this.#parts;
    if (size.bytes > limits.bytes)
      throw AdmissionError.never(
        'tenant_file_bytes',
        `The file takes more than the ${limits.bytes} bytes that all your files may take (TENANT_FILE_BYTES). Send the lines in smaller files, and delete each when its batch has ended.`,
      );
    let isSettled = false;
    for (let attempt = 0; attempt < SETTLE_ATTEMPTS; attempt += 1) {
      const verdict = await room.hold(tenant, id, size, { rows: limits.files, bytes: limits.bytes });
      if (verdict.outcome === 'held') return { rows: verdict.rows, bytes: verdict.bytes };
      // A file may have gone while Redis was away.
      if (verdict.outcome !== 'unknown' && isSettled) throw this.#refusal(verdict);
      await settler.settle(tenant);
      isSettled = true;
    }
    throw new RerankError('queue_unavailable', 'Redis has lost what it knew of your files. Try again.', { retryAfterS: 5 });
  }

  #refusal({ outcome, bytes }: HoldVerdict): AdmissionError {
    const { limits } = this.#parts;
    if (outcome === 'rows')
      return AdmissionError.later(
        'tenant_files',
        `You may keep ${limits.files} files (TENANT_FILES), and have as many. Delete those that you no longer need.`,
        RETRY_MS,
      );
    return AdmissionError.later(
      'tenant_file_bytes',
      `Your files may take ${limits.bytes} bytes (TENANT_FILE_BYTES); this one is at least ${bytes} too many. Delete those that you no longer need.`,
      RETRY_MS,
    );
  }
}
