import type { Config } from '@rerank-fleet/core/config';
import type { ExitShowBody } from '@rerank-fleet/core/contracts';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import { findExitHeads, shippedHeadsPath } from '../exits/find-exit-heads.js';
import { kindOf } from '../exits/heads-schema.js';
import { exitRemarks } from './exit-remarks.js';
import { resolveReranker } from './resolve-reranker.js';

/**
 * Which heads a worker would use for models.
 *
 * @param name name or folder of a cross-encoder; default: all of RERANK_MODELS
 * @throws RerankError `model_not_found`
 */
export async function showExits(config: Config, name?: string): Promise<ExitShowBody> {
  const models: ExitShowBody['models'] = [];
  const remarks = exitRemarks(config);
  const onUnusable = (path: string): void =>
    void remarks.push(`The heads in ${path} cannot be used: fit them again with \`rerank exits fit\`, or remove the file.`);
  for (const each of name === undefined ? config.worker.rerankModels : [name]) models.push(await showExit(config, each, onUnusable));
  return { models, remarks };
}

async function showExit(config: Config, name: string, onUnusable: (path: string) => void): Promise<ExitShowBody['models'][number]> {
  const { sha256, name: resolved } = await resolveReranker(config, name);
  const model = { name: resolved, sha256 };
  const cacheDirectory = defaultCacheDirectory(config.models.cacheHome);
  for await (const { path, file } of findExitHeads(sha256, cacheDirectory, onUnusable)) {
    const { fitted_on, fitted_at, pairs, queries } = file;
    return {
      model,
      heads: {
        path,
        source: path === shippedHeadsPath(sha256) ? 'shipped' : 'fitted',
        fitted_on,
        ...(fitted_at === undefined ? {} : { fitted_at }),
        pairs,
        queries,
        heads: file.heads.map((head) => ({ layer: head.layer, kind: kindOf(head), sigma: head.sigma, correlation: head.correlation })),
      },
    };
  }
  return { model, heads: null };
}
