import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { expect, it } from 'vitest';
import { describeBlobStore } from './describe-blob-store.js';

describeBlobStore('FileBlobStore', async () => {
  const root = await mkdtemp(join(tmpdir(), 'rerank-blobs-'));
  return {
    open: async () => new FileBlobStore(await mkdtemp(join(root, 'store-'))),
    close: () => rm(root, { recursive: true, force: true }),
  };
});

it('FileBlobStore keeps its files from other users and leaves no unfinished writes', async () => {
  const root = await mkdtemp(join(tmpdir(), 'rerank-blobs-'));
  try {
    await chmod(root, 0o700);
    const store = new FileBlobStore(join(root, 'blobs'));
    await store.put('jobs/a/1', 'secret');
    expect((await stat(join(root, 'blobs/jobs/a/1'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(root, 'blobs/jobs'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(root, 'blobs/.staging'))).toEqual([]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
