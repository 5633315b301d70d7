import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { BlobStore } from '../../ports/index.js';
import { newJobId } from '../job-id.js';
import { contentKey, fileKey, filesFolder, idOfKey } from './file-layout.js';

/** How long a file is kept whose owner says nothing else. */
export const FILE_KEPT_MS = 30 * 24 * 3_600_000;
const FILE_ID = /^file-[0-9a-f]{32}$/;

export const isFileId = (text: string): boolean => FILE_ID.test(text);

export const storedFileSchema = z.object({
  v: z.literal(1),
  id: z.string(),
  filename: z.string(),
  purpose: z.literal('batch'),
  bytes: z.int(),
  created_ms: z.number(),
  expires_ms: z.number(),
});

export type StoredFile = z.infer<typeof storedFileSchema>;

export interface FileListOptions {
  /** Goes on behind this id. */
  readonly after?: string | undefined;
  /** By the time of creation. @defaultValue desc */
  readonly order?: 'asc' | 'desc' | undefined;
}

/** Uploaded files, each of one tenant. A file is there when its entry is; content without one is of an upload that is under way, or that died. */
export class FileStore {
  readonly #blobs: BlobStore;
  readonly #now: () => number;

  /** @param now epoch milliseconds */
  constructor(blobs: BlobStore, now: () => number) {
    this.#blobs = blobs;
    this.#now = now;
  }

  newId(): string {
    return newJobId(Math.round(this.#now())).replace('job_', 'file-');
  }

  /**
   * Keeps what the stream gives, of any length; nothing if it fails. Resolves to its bytes.
   *
   * @throws RerankError `storage_full`, `blob_store_unavailable`; what the stream throws
   */
  async write(tenant: string, id: string, body: Readable): Promise<number> {
    await this.#blobs.put(contentKey(tenant, id), body);
    return (await this.#blobs.size(contentKey(tenant, id))) ?? 0;
  }

  /** Makes the file visible. `expiresAfterMs` counts from now. */
  async publish(
    tenant: string,
    {
      expiresAfterMs = FILE_KEPT_MS,
      ...file
    }: Pick<StoredFile, 'id' | 'filename' | 'bytes'> & { readonly expiresAfterMs?: number | undefined },
  ): Promise<StoredFile> {
    const created = Math.round(this.#now());
    const stored: StoredFile = { v: 1, ...file, purpose: 'batch', created_ms: created, expires_ms: created + expiresAfterMs };
    await this.#blobs.put(fileKey(tenant, file.id), JSON.stringify(stored));
    return stored;
  }

  /** Undefined where the tenant has no file of this id, or its time is over. */
  async find(tenant: string, id: string): Promise<StoredFile | undefined> {
    if (!isFileId(id)) return undefined;
    const text = await this.#blobs.get(fileKey(tenant, id));
    const file = text && storedFileSchema.parse(JSON.parse(text.toString('utf8')));
    return file !== undefined && file.expires_ms > this.#now() ? file : undefined;
  }

  /** Undefined if there is none. The caller reads it to its end or destroys it. */
  async content(tenant: string, { id }: Pick<StoredFile, 'id'>): Promise<Readable | undefined> {
    return await this.#blobs.stream(contentKey(tenant, id));
  }

  /** The entry goes first: content alone is no file, and found by the purge. */
  async delete(tenant: string, id: string): Promise<void> {
    await this.#blobs.delete(fileKey(tenant, id));
    await this.#blobs.delete(contentKey(tenant, id));
  }

  /** Ids of a tenant's files, newest first unless asked otherwise; of some the time may be over. */
  async *list(tenant: string, { after, order = 'desc' }: FileListOptions = {}): AsyncGenerator<string, void, undefined> {
    const isOldestFirst = order === 'asc';
    const options = after === undefined || isOldestFirst ? {} : { after: fileKey(tenant, after) };
    if (!isOldestFirst) {
      for await (const key of this.#blobs.list(filesFolder(tenant), options)) yield idOfKey(key);
      return;
    }
    const ids: string[] = [];
    for await (const key of this.#blobs.list(filesFolder(tenant))) ids.push(idOfKey(key));
    yield* ids.reverse().filter((id) => after === undefined || id > after);
  }
}
