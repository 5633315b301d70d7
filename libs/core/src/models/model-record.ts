import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** Name of the record in a pulled model's folder. */
export const RECORD_NAME = 'rerank-model.json';

const fileDigest = z.object({ size: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

const recordSchema = z.object({
  v: z.literal(1),
  name: z.string(),
  precision: z.enum(['int8', 'fp16', 'fp32']),
  licence: z.string(),
  /** `pypi:package==version` or `hub:owner/repo@commit`. */
  source: z.string(),
  onnx: z.string(),
  /** Path in the folder → digest, of every file but this one. */
  files: z.record(z.string(), fileDigest),
});

/** What a pull left in the folder: the list of its files, as they were verified. */
export type ModelRecord = z.infer<typeof recordSchema>;

/** @returns undefined if the folder was not made by a pull, or its record is damaged */
export async function readRecord(directory: string): Promise<ModelRecord | undefined> {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(await readFile(join(directory, RECORD_NAME), 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

export const writeRecord = (directory: string, record: ModelRecord): Promise<void> =>
  writeFileDurably(join(directory, RECORD_NAME), `${JSON.stringify(record, undefined, 2)}\n`);

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The old content or the new, never a part, also after a power cut. One writer at a time. */
export async function writeFileDurably(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  const handle = await open(temporary, 'w', 0o644);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}
