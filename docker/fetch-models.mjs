// Fills the volume of models before a worker starts: with what the image brings, and with what else RERANK_MODELS and EMBEDDING_MODEL name.
// Doing it again, or at the same time as another, changes nothing: every file is held to its digest.
import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '@rerank-fleet/core/config';
import { defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';

const BROUGHT = process.argv[2] ?? '/opt/models';

const { models, worker } = loadConfig();
const cacheDirectory = defaultCacheDirectory(models.cacheHome);
const folder = join(cacheDirectory, 'models');
await mkdir(folder, { recursive: true });
const present = new Set(await readdir(folder));
for (const name of await readdir(BROUGHT)) {
  if (present.has(name)) continue;
  // A folder appears whole or not at all.
  const half = join(folder, `.copy-${randomUUID()}`);
  await cp(join(BROUGHT, name), half, { recursive: true });
  await rename(half, join(folder, name)).catch(() => rm(half, { recursive: true, force: true }));
}
const source = { cacheDirectory, modelsDirectory: models.directory, hubEndpoint: models.hubEndpoint, hubToken: models.hubToken };
for (const [kind, names] of /** @type {const} */ ([
  ['cross-encoder', worker.rerankModels],
  ['embedder', worker.embeddingModels],
])) {
  for (const name of names) {
    const model = await resolveModel(name, { ...source, device: worker.device, kind });
    console.log(`${model.name} (${model.precision}): ${model.directory}, sha256 ${model.sha256}`);
  }
}
