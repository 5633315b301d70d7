import { access, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import { chosen } from '../../test/support/environment.ts';

/** Where heads that were fitted on a machine lie, in its cache. */
const HEADS = 'exits';
/** Filled by workers: they share what they write there, so that none has to be tuned or to cut a model again. */
const SHARED = ['graphs', 'segments', 'tuning'];

/**
 * Caches for workers with heads of their own: each is the machine's cache but for the heads, of which it has none at first. So heads that were fitted on this machine take no part in a bench,
 * and heads that a bench fits are never in use outside of it.
 */
export class HeadsCaches {
  readonly #folder: string;
  readonly #isTemporary: boolean;

  private constructor(folder: string, isTemporary: boolean) {
    this.#folder = folder;
    this.#isTemporary = isTemporary;
  }

  /** In a folder that is kept, with the heads that earlier runs left there, or in one of its own. */
  static async open(folder?: string): Promise<HeadsCaches> {
    return new HeadsCaches(
      folder === undefined ? await mkdtemp(join(tmpdir(), 'rerank-bench-heads-')) : resolve(folder),
      folder === undefined,
    );
  }

  /** Folder for XDG_CACHE_HOME. */
  async homeOf(name: string): Promise<string> {
    const machine = defaultCacheDirectory(chosen('XDG_CACHE_HOME'));
    for (const shared of SHARED) await mkdir(join(machine, shared), { recursive: true });
    const home = join(this.#folder, name);
    await mkdir(join(home, 'rerank-fleet', HEADS), { recursive: true });
    for (const entry of await readdir(machine)) {
      if (entry !== HEADS) await symlinkOnce(join(machine, entry), join(home, 'rerank-fleet', entry));
    }
    return home;
  }

  /** Whether heads lie in a home. */
  async hasHeads(home: string): Promise<boolean> {
    return (await readdir(join(home, 'rerank-fleet', HEADS))).some((name) => name.endsWith('.json'));
  }

  async close(): Promise<void> {
    if (this.#isTemporary) await rm(this.#folder, { recursive: true, force: true });
  }
}

async function symlinkOnce(target: string, path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await rm(path, { force: true });
  await symlink(target, path);
}
