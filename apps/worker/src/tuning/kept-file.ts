import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { z } from 'zod';

/** Undefined where there is none; a file that cannot be read or is damaged counts as none. */
export async function readKept<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** Whole or not at all; workers that start side by side may write the same file. */
export async function writeKept(path: string, value: object): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const staged = `${path}.${randomUUID()}`;
  try {
    await writeFile(staged, `${JSON.stringify(value, undefined, 2)}\n`);
    await rename(staged, path);
  } finally {
    await rm(staged, { force: true });
  }
}

/** File of a key in the folder of what was measured here; `cacheDirectory` is `…/rerank-fleet`. */
export function tuningPath(cacheDirectory: string, key: object, ending: string): string {
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex');
  return join(cacheDirectory, 'tuning', `${hash.slice(0, 32)}.${ending}`);
}
