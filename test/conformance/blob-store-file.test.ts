import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { openBlobStore } from '@rerank-fleet/core/adapters/blobs/open-blob-store';
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { makeSmallDisk, type SmallDisk } from '../e2e/small-disk.js';
import { keysUnder, numberedChunks, read } from './blob-fixtures.js';
import { describeBlobStore } from './describe-blob-store.js';

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

describeBlobStore('FileBlobStore', async () => {
  const root = await mkdtemp(join(tmpdir(), 'rerank-blobs-'));
  return {
    open: async () => new FileBlobStore(await mkdtemp(join(root, 'store-'))),
    close: () => rm(root, { recursive: true, force: true }),
  };
});

describe('FileBlobStore and its files', () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rerank-blobs-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const staged = (): Promise<string[]> => readdir(join(root, 'blobs/.staging'));

  it('keeps its files from other users and leaves no unfinished writes', async () => {
    await chmod(root, 0o700);
    const store = new FileBlobStore(join(root, 'blobs'));
    await store.put('jobs/a/1', 'secret');
    await store.create('jobs/a/2', 'secret');
    await store.create('jobs/a/2', 'another');
    for (const name of ['1', '2']) {
      const { mode, nlink } = await stat(join(root, 'blobs/jobs/a', name));
      expect(mode & 0o777).toBe(0o600);
      expect(nlink).toBe(1);
    }
    expect((await stat(join(root, 'blobs/jobs'))).mode & 0o777).toBe(0o700);
    expect(await staged()).toEqual([]);
  });

  it('leaves no empty folders behind', async () => {
    const store = new FileBlobStore(join(root, 'blobs'));
    await store.put('jobs/t/a/1', 'x');
    await store.put('jobs/t/b/1', 'x');
    await store.deleteUnder('jobs/t/a');
    expect(await readdir(join(root, 'blobs/jobs/t'))).toEqual(['b']);
    await store.delete('jobs/t/b/1');
    expect(await readdir(join(root, 'blobs'))).toEqual(['.staging']);
  });

  it('lists no file that is no object, as NFS leaves of a deleted one that is still open', async () => {
    const store = new FileBlobStore(join(root, 'blobs'));
    await store.put('jobs/a/1', 'x');
    await new FileBlobStore(join(root, 'blobs/jobs')).put('b/2', 'a staging folder beside it');
    expect(await keysUnder(store, 'jobs')).toEqual(['jobs/a/1', 'jobs/b/2']);
  });

  it('shows nothing of a write whose process was killed, and sweeps it away when it is old', async () => {
    const store = new FileBlobStore(join(root, 'blobs'));
    const killed = spawn(process.execPath, ['--input-type=module', '-e', KILLED_PROGRAM, STORE_MODULE, join(root, 'blobs')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(killed.stdout, 'data');
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    expect(await keysUnder(store, 'a')).toEqual([]);
    expect(await store.create('a/killed', 'by another')).toBe(true);
    await store.sweep(DAY_MS);
    const left = await staged();
    expect(left).toHaveLength(1);
    const dayBefore = new Date(Date.now() - DAY_MS - 1_000);
    await utimes(join(root, 'blobs/.staging', left[0] as string), dayBefore, dayBefore);
    const { close } = await openBlobStore({ kind: 'file', directory: join(root, 'blobs') });
    await expect.poll(staged).toEqual([]);
    close();
    expect(await read(store, 'a/killed')).toBe('by another');
  });

  it('sweeps a folder that is not there yet', async () => {
    await new FileBlobStore(join(root, 'never')).sweep(0);
    expect(await readdir(root)).toEqual([]);
  });
});

const STORE_MODULE = import.meta.resolve('@rerank-fleet/core/adapters/blobs/file-blob-store');
const KILLED_PROGRAM = `
  import { Readable } from 'node:stream';
  const { FileBlobStore } = await import(process.argv[1]);
  async function* body() {
    yield Buffer.alloc(100_000);
    yield Buffer.alloc(100_000);
    process.stdout.write('half way');
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  }
  await new FileBlobStore(process.argv[2]).create('a/killed', Readable.from(body()));
`;

describe('FileBlobStore on a full disk', () => {
  let disk: SmallDisk | undefined;

  beforeEach(async () => {
    disk = await makeSmallDisk(16 * MIB);
  });
  afterEach(() => disk?.remove());

  it('says that it is full, keeps nothing of what did not fit, and goes on when there is room', async (context: TestContext) => {
    context.skip(disk === undefined, 'this user may neither mount a tmpfs nor is there a small /dev/shm');
    const { directory, fill, clear } = disk!;
    const store = new FileBlobStore(join(directory, 'blobs'));
    await store.put('a/kept', 'old');
    await fill(2 * MIB);
    const tooLong = (): Readable => Readable.from(numberedChunks(6 * MIB), { objectMode: false });
    for (const write of [
      () => store.put('a/kept', tooLong()),
      () => store.put('a/kept', Buffer.alloc(6 * MIB)),
      () => store.create('a/new', tooLong()),
    ])
      await expect(write()).rejects.toMatchObject({ code: 'storage_full', retryAfterS: 60 });
    expect(await read(store, 'a/kept')).toBe('old');
    expect(await keysUnder(store, 'a')).toEqual(['a/kept']);
    expect(await readdir(join(directory, 'blobs/.staging'))).toEqual([]);
    await clear();
    await store.put('a/kept', tooLong());
    expect(await store.size('a/kept')).toBe(6 * MIB);
  });
});
