import { randomUUID } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { InvariantError, RerankError } from '../../errors/index.js';
import type { BlobStore } from '../../ports/index.js';

const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/;
/** Unfinished writes; nothing under it is ever read. */
const STAGING = '.staging';

/** Blobs as files. A blob is written beside the others, synced and renamed, so that a reader sees all of it or nothing. */
export class FileBlobStore implements BlobStore {
  readonly #root: string;

  constructor(directory: string) {
    this.#root = directory;
  }

  async put(key: string, body: Uint8Array | string | Readable): Promise<void> {
    const target = this.#path(key);
    const staged = join(this.#root, STAGING, randomUUID());
    try {
      await mkdir(dirname(staged), { recursive: true, mode: 0o700 });
      await writeDurably(staged, body);
      const made = await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await rename(staged, target);
      await syncDirectories(dirname(target), made === undefined ? dirname(target) : dirname(made));
    } catch (error) {
      await rm(staged, { force: true }).catch(() => undefined);
      throw asStorageError(error);
    }
  }

  async get(key: string): Promise<Buffer | undefined> {
    return await readFile(this.#path(key)).catch(undefinedIfMissing);
  }

  async stream(key: string): Promise<Readable | undefined> {
    const handle = await open(this.#path(key), 'r').catch(undefinedIfMissing);
    return handle === undefined ? undefined : createReadStream('', { fd: handle });
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  async deleteUnder(prefix: string): Promise<void> {
    await rm(this.#path(prefix), { recursive: true, force: true });
  }

  async *list(prefix: string): AsyncIterable<string> {
    const entries = (await readdir(this.#path(prefix), { withFileTypes: true }).catch(undefinedIfMissing)) ?? [];
    // A folder stands for keys that go on with a slash, so "a.b" comes before what is in "a".
    const sortKey = (entry: Dirent): string => (entry.isDirectory() ? `${entry.name}/` : entry.name);
    entries.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    for (const entry of entries) {
      if (entry.isDirectory()) yield* this.list(`${prefix}/${entry.name}`);
      else yield `${prefix}/${entry.name}`;
    }
  }

  #path(key: string): string {
    const segments = key.split('/');
    if (segments[0] === STAGING || !segments.every((segment) => SEGMENT.test(segment)))
      throw new InvariantError('A blob key has a segment that is not allowed.');
    return join(this.#root, segments.join(sep));
  }
}

async function writeDurably(path: string, body: Uint8Array | string | Readable): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(body);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A name is durable only when its folder is: from the blob's folder up to the one that held the folders made for it. */
async function syncDirectories(from: string, upTo: string): Promise<void> {
  const handle = await open(from, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (from !== upTo) await syncDirectories(dirname(from), upTo);
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'EISDIR') return undefined;
  throw error;
}

function asStorageError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new RerankError(
    'storage_full',
    'The disk that keeps uploads is full. Free space or point BLOB_URL elsewhere, then send this again; nothing of it was kept.',
    {
      cause: error,
      retryAfterS: 60,
    },
  );
}
