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
  try {
    return new ExitHeads(headsFileSchema.parse(JSON.parse(await readFile(path, 'utf8'))));
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
