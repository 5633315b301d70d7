import { RerankError } from '@rerank-fleet/core/errors';
import type { FitSamples } from './collect-samples.js';
import { writeExitHeads } from './exit-heads-file.js';
import type { FittedHead } from './fit-heads.js';
import { HEADS_VERSION, headsFileSchema, type HeadsFile } from './heads-schema.js';

export interface Fit {
  /** sha256 of the model's own file. */
  readonly model: string;
  readonly samples: FitSamples;
  readonly heads: readonly FittedHead[];
  /** Of what kind the texts are, for people. */
  readonly fittedOn: string;
  readonly fittedAt?: Date;
}

/**
 * Writes a file of heads, whole or not at all.
 *
 * @throws RerankError `invalid_request` where the pairs gave figures that no head can have
 */
export async function writeFit(path: string, { model, samples, heads, fittedOn, fittedAt }: Fit): Promise<HeadsFile> {
  const parsed = headsFileSchema.safeParse({
    v: HEADS_VERSION,
    model,
    width: samples.width,
    fitted_on: fittedOn,
    ...(fittedAt === undefined ? {} : { fitted_at: fittedAt.toISOString() }),
    pairs: samples.logits.length,
    queries: new Set(samples.queries).size,
    heads: heads.map(({ figures }) => figures),
  });
  if (!parsed.success) {
    const detail = 'The pairs tell the model nothing apart, so no head can be fitted. Give it more queries, with documents that differ.';
    throw new RerankError('invalid_request', detail, { cause: parsed.error });
  }
  await writeExitHeads(path, parsed.data);
  return parsed.data;
}
