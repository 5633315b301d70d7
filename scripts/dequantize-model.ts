/**
 * Turns int8 models into fp32 and fp16 ones by dequantizing their weights, for benches where no hub is in reach: GPUs want fp16. Needs a build.
 *
 *   node scripts/dequantize-model.ts FOLDER [NAME …]     NAMEs default to the default models
 *   MODELS_DIR=FOLDER DEVICE=cuda npm start
 */
import { join } from 'node:path';
import { DEFAULT_EMBEDDER, DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { writeDequantized } from './lib/dequantize-model.ts';

const [folder, ...given] = process.argv.slice(2);
if (folder === undefined) throw new Error('Usage: node scripts/dequantize-model.ts FOLDER [NAME …]');
const options = { cacheDirectory: defaultCacheDirectory(process.env.XDG_CACHE_HOME), precision: 'int8' } as const;
for (const name of given.length === 0 ? [DEFAULT_RERANKER, DEFAULT_EMBEDDER] : given) {
  const model = await resolveModel(name, options);
  for (const precision of ['fp32', 'fp16'] as const) {
    const target = join(folder, `${model.name.replace(/@int8$/, '')}@${precision}`);
    await writeDequantized({ ...model, target, precision });
    console.log(target);
  }
}
