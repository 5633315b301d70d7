import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { RerankError } from '../errors/index.js';
import { withFileLock } from './file-lock.js';
import { writeFileDurably } from './model-record.js';

const lockedModel = z.object({
  repo: z.string(),
  /** Commit. */
  revision: z.string(),
  files: z.record(z.string(), z.object({ size: z.int().nonnegative(), sha256: z.string() })),
});

/** What a hub model was at its first pull. */
export type LockedModel = z.infer<typeof lockedModel>;

const lockSchema = z.object({ v: z.literal(1), models: z.record(z.string(), lockedModel) });

const LOCK_NAME = 'models.lock.json';

async function readLock(root: string): Promise<z.infer<typeof lockSchema>> {
  const path = join(root, LOCK_NAME);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { v: 1, models: {} };
    throw error;
  }
  try {
    return lockSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new RerankError('model_unavailable', `${path} is damaged. Restore it, or delete it to accept the hub's models as they are now.`, {
      cause: error,
    });
  }
}

/** `key` is `name@precision`. */
export async function readLockedModel(root: string, key: string): Promise<LockedModel | undefined> {
  return (await readLock(root)).models[key];
}

/** Adds the model; one that is there already stays as it is, unless the manifest has moved it to another repository. */
export async function lockModel(root: string, key: string, model: LockedModel): Promise<void> {
  await mkdir(root, { recursive: true });
  await withFileLock(join(root, '.locks', 'models-lock'), async () => {
    const lock = await readLock(root);
    if (lock.models[key]?.repo === model.repo) return;
    lock.models[key] = model;
    await writeFileDurably(join(root, LOCK_NAME), `${JSON.stringify(lock, undefined, 2)}\n`);
  });
}

export const lockFilePath = (root: string): string => join(root, LOCK_NAME);
