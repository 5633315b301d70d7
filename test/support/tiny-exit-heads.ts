import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeExitHeads } from '@rerank-fleet/worker/exits/exit-heads-file';
import { fittedHeadsPath } from '@rerank-fleet/worker/exits/find-exit-heads';
import { encodeHalves } from '@rerank-fleet/worker/exits/half-floats';
import { HEADS_VERSION } from '@rerank-fleet/worker/exits/heads-schema';
import { featureCount } from '@rerank-fleet/worker/exits/pair-features';
import { BERT } from './tiny-models/index.js';

/** Heads for a tiny model, as if they had been fitted here: they predict nothing, but a worker cuts the model and runs its segments. `cacheHome` holds `rerank-fleet`. */
export async function writeTinyHeads(modelFolder: string, cacheHome: string, cuts: readonly number[]): Promise<void> {
  const model = createHash('sha256')
    .update(await readFile(join(modelFolder, 'model.onnx')))
    .digest('hex');
  const path = fittedHeadsPath(model, join(cacheHome, 'rerank-fleet'));
  await mkdir(dirname(path), { recursive: true });
  const weights = encodeHalves(new Float32Array(featureCount(BERT.width)));
  await writeExitHeads(path, {
    v: HEADS_VERSION,
    model,
    width: BERT.width,
    fitted_on: 'nothing',
    pairs: 1,
    queries: 1,
    heads: cuts.map((layer) => ({ layer, sigma: 1, correlation: 0.5, bias: 0, weights })),
  });
}
