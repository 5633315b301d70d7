import { readFile } from 'node:fs/promises';
import { RerankError } from '@rerank-fleet/core/errors';
import { writeKept } from '../tuning/kept-file.js';
import { ExitHeads } from './exit-heads.js';
import { headsFileSchema, type HeadsFile } from './heads-schema.js';

/**
 * Reads a file of heads.
 *
 * @throws RerankError `model_unavailable` where there is none, or it is not one
 */
export async function readExitHeads(path: string): Promise<ExitHeads> {
  return (await readHeadsFile(path)).heads;
}

/** A file of heads with what it says of them. */
export interface ReadHeads {
  readonly file: HeadsFile;
  readonly heads: ExitHeads;
}

/** @throws RerankError as `readExitHeads` */
export async function readHeadsFile(path: string): Promise<ReadHeads> {
  try {
    const file = headsFileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return { file, heads: new ExitHeads(file) };
  } catch (error) {
    throw new RerankError('model_unavailable', 'The file of exit heads cannot be read: fit them again with `rerank exits fit`.', {
      cause: error,
    });
  }
}

/** Whole or not at all. */
export async function writeExitHeads(path: string, heads: HeadsFile): Promise<void> {
  await writeKept(path, heads);
}
