import { FILES, type FileStore, type JobRoom, type JobSize } from '@rerank-fleet/core/jobs';
import type { BlobStore } from '@rerank-fleet/core/ports';

export interface FileRoomSettlerParts {
  readonly room: Pick<JobRoom, 'held' | 'settle'>;
  readonly files: Pick<FileStore, 'find' | 'list'>;
  readonly blobs: Pick<BlobStore, 'list'>;
}

/** Entries of files that are read at once. */
const READS_AT_ONCE = 16;

/** Brings what Redis knows of the room of uploaded files in line with the blob store, which is right: after a loss, and in case a process died between two steps. */
export class FileRoomSettler {
  readonly #parts: FileRoomSettlerParts;

  constructor(parts: FileRoomSettlerParts) {
    this.#parts = parts;
  }

  /** Every tenant that has files. */
  async settleAll(): Promise<void> {
    const tenants = new Set<string>();
    for await (const key of this.#parts.blobs.list(FILES)) tenants.add(key.split('/')[2] ?? '');
    for (const tenant of tenants) await this.settle(tenant);
  }

  /**
   * What is known is read first: what comes after that is counted by whoever brings it.
   *
   * @throws RerankError `queue_unavailable`, `blob_store_unavailable`
   */
  async settle(tenant: string): Promise<void> {
    const { room, files } = this.#parts;
    const { sizes, uploads } = await room.held(tenant);
    const listed = new Set<string>();
    for await (const id of files.list(tenant)) listed.add(id);
    const missing = [...listed].filter((id) => !sizes.has(id) || uploads.has(id));
    await room.settle(tenant, {
      ended: [],
      gone: [...sizes.keys()].filter((id) => !uploads.has(id) && !listed.has(id)),
      there: await this.#sizesOf(tenant, missing),
    });
  }

  async #sizesOf(tenant: string, ids: readonly string[]): Promise<(JobSize & { readonly id: string })[]> {
    const found: (JobSize & { readonly id: string })[] = [];
    for (let from = 0; from < ids.length; from += READS_AT_ONCE) {
      const files = await Promise.all(ids.slice(from, from + READS_AT_ONCE).map((id) => this.#parts.files.find(tenant, id)));
      for (const file of files.filter((each) => each !== undefined)) found.push({ id: file.id, rows: 1, bytes: file.bytes });
    }
    return found;
  }
}
