import { link, mkdir, open, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Another process may take an empty folder away between the making of it and the first file in it; this often in a row it does not. */
const PLACEMENTS = 20;

/** Writes a new file that only this user may read; on disk when the promise resolves. */
export async function writeDurably(path: string, content: Uint8Array | AsyncIterable<Uint8Array | string>): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Gives a file its final name, over what has it. */
export async function replaceFile(staged: string, target: string): Promise<true> {
  await inFolderOf(target, () => rename(staged, target));
  return true;
}

/** Gives a file its final name, unless one has it: false. */
export async function placeNewFile(staged: string, target: string): Promise<boolean> {
  try {
    await inFolderOf(target, () => link(staged, target));
  } catch (error) {
    // A network file system may have done it and lost the answer: a second name of the staged file can only be the target.
    const placed = (await stat(staged)).nlink === 2;
    if (!placed && (error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    if (!placed) throw error;
  }
  await unlink(staged);
  return true;
}

async function inFolderOf(target: string, place: () => Promise<void>): Promise<void> {
  for (let placement = 1; ; placement += 1) {
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await place();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || placement === PLACEMENTS) throw error;
    }
  }
}

/**
 * A name is durable only when its folder is, and that one's name, up to a folder that is known to be there. All are synced whoever made them: another
 * process may have made one and not have come to sync it.
 */
export async function syncFolders(from: string, upTo: string): Promise<void> {
  const folders = [from];
  for (let folder = from; folder !== upTo; folder = dirname(folder)) folders.push(dirname(folder));
  await Promise.all(folders.map(syncFolder));
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch((error: unknown) => {
    // Its file was deleted meanwhile, and the folder with it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}

/** Removes folders that are empty, from one up to but not including another. */
export async function removeEmptyFolders(from: string, upTo: string): Promise<void> {
  for (let folder = from; folder !== upTo; folder = dirname(folder)) {
    const removed = await rmdir(folder).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}
