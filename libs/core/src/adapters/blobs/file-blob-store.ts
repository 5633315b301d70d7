import { randomUUID } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { RerankError } from '../../errors/index.js';
import type { BlobBody, BlobListOptions, BlobRange, BlobStore } from '../../ports/index.js';
import { BodySource } from './blob-body.js';
import { checkKey, checkRange } from './blob-key.js';
import { placeNewFile, removeEmptyFolders, replaceFile, syncFolders, writeDurably } from './durable-file.js';

/** Unfinished writes; nothing under it is ever read. On the volume of the blobs, as a rename does not leave a volume. */
const STAGING = '.staging';

/**
 * Blobs as files, on a disk or on a volume that many machines share (it needs atomic renames and hard links; NFS has both). A blob is written beside the
 * others, synced and then named, so that a reader sees all of it or nothing.
 */
export class FileBlobStore implements BlobStore {
  readonly #root: string;

  constructor(directory: string) {
    this.#root = resolve(directory);
  }

  async put(key: string, body: BlobBody): Promise<void> {
    await this.#write(key, body, 'replace');
  }

  async create(key: string, body: BlobBody): Promise<boolean> {
    return await this.#write(key, body, 'once');
  }

  async get(key: string): Promise<Buffer | undefined> {
    return await readFile(this.#path(key)).catch(undefinedIfMissing);
  }

  async stream(key: string, range: BlobRange = { start: 0 }): Promise<Readable | undefined> {
    const { start, end } = checkRange(range);
    const handle = await open(this.#path(key), 'r').catch(undefinedIfMissing);
    if (handle === undefined) return undefined;
    const found = await handle.stat();
    if (!found.isFile() || end === start) {
      await handle.close();
      return found.isFile() ? Readable.from([]) : undefined;
    }
    return createReadStream('', { fd: handle, start, ...(end === undefined ? {} : { end: end - 1 }) });
  }

  async size(key: string): Promise<number | undefined> {
    const found = await stat(this.#path(key)).catch(undefinedIfMissing);
    return found?.isFile() === true ? found.size : undefined;
  }

  async delete(key: string): Promise<void> {
    const path = this.#path(key);
    await rm(path, { force: true }).catch(undefinedIfMissing);
    await removeEmptyFolders(dirname(path), this.#root);
  }

  async deleteUnder(prefix: string): Promise<void> {
    const path = this.#path(prefix);
    const found = await stat(path).catch(undefinedIfMissing);
    if (found?.isDirectory() !== true) return;
    // Retries: another process may put a blob into a folder that was just emptied.
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 }).catch(rethrow);
    await removeEmptyFolders(dirname(path), this.#root);
  }

  async *list(prefix: string, { after }: BlobListOptions = {}): AsyncIterable<string> {
    yield* this.#listFolder(checkKey(prefix), after === undefined ? '' : checkKey(after));
  }

  /** Removes writes that were cut off, as their process was killed, and have lain untouched for so long. */
  async sweep(olderThanMs: number): Promise<void> {
    const folder = join(this.#root, STAGING);
    for (const name of (await readdir(folder).catch(undefinedIfMissing)) ?? []) {
      const found = await stat(join(folder, name)).catch(undefinedIfMissing);
      if (found !== undefined && Date.now() - found.mtimeMs >= olderThanMs) await rm(join(folder, name), { force: true });
    }
  }

  async #write(key: string, body: BlobBody, mode: 'replace' | 'once'): Promise<boolean> {
    const source = new BodySource(body);
    const staged = join(this.#root, STAGING, randomUUID());
    try {
      const target = this.#path(key);
      // Only spares the writing of what is there; the link decides.
      if (mode === 'once' && (await this.size(key)) !== undefined) return false;
      const made = await mkdir(dirname(staged), { recursive: true, mode: 0o700 });
      await writeDurably(staged, source.bytes ?? source.chunks());
      const placed = mode === 'once' ? await placeNewFile(staged, target) : await replaceFile(staged, target);
      if (placed) await syncFolders(dirname(target), made === undefined ? this.#root : dirname(made));
      else await rm(staged, { force: true });
      return placed;
    } catch (error) {
      await rm(staged, { force: true }).catch(() => undefined);
      throw source.faultOr(error, asStoreError);
    } finally {
      source.end();
    }
  }

  async *#listFolder(folder: string, after: string): AsyncIterable<string> {
    const found = (await readdir(join(this.#root, folder), { withFileTypes: true }).catch(undefinedIfMissing)) ?? [];
    // A folder stands for keys that go on with a slash, so "a.b" comes before what is in "a".
    const sortKey = (entry: Dirent): string => (entry.isDirectory() ? `${folder}/${entry.name}/` : `${folder}/${entry.name}`);
    const entries = found.filter((entry) => !entry.name.startsWith('.')).sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    for (const entry of entries) {
      const key = sortKey(entry);
      if (entry.isDirectory()) {
        if (key > after || after.startsWith(key)) yield* this.#listFolder(key.slice(0, -1), after);
      } else if (key > after) yield key;
    }
  }

  #path(key: string): string {
    return join(this.#root, checkKey(key).replaceAll('/', sep));
  }
}

const MISSING = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ERR_FS_EISDIR']);
const FULL = new Set(['ENOSPC', 'EDQUOT']);
/** A volume that is away, or not as it should be; a network volume may come back. */
const AWAY = new Set(['EIO', 'ESTALE', 'ETIMEDOUT', 'ENOTCONN', 'EHOSTDOWN', 'EHOSTUNREACH', 'EREMOTEIO', 'EROFS', 'EACCES', 'EPERM']);

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== undefined && MISSING.has(error.code)) return undefined;
  throw asStoreError(error);
}

function rethrow(error: unknown): never {
  throw asStoreError(error);
}

function asStoreError(error: unknown): unknown {
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? '') : '';
  if (FULL.has(code)) {
    return new RerankError(
      'storage_full',
      'The disk that keeps uploads is full. Free space or point BLOB_URL elsewhere, then send this again; nothing of it was kept.',
      { cause: error, retryAfterS: 60 },
    );
  }
  if (AWAY.has(code)) {
    return new RerankError('blob_store_unavailable', 'The disk that keeps uploads and jobs cannot be read or written. Try again.', {
      cause: error,
      retryAfterS: 5,
    });
  }
  return error;
}
