import type { Config } from '@rerank-fleet/core/config';
import type { ExitShowBody } from '@rerank-fleet/core/contracts';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import { readHeadsFile } from '../exits/exit-heads-file.js';
import { findExitHeads, shippedHeadsPath } from '../exits/find-exit-heads.js';
import { kindOf } from '../exits/heads-schema.js';
import { exitRemarks } from './exit-remarks.js';
import { resolveReranker } from './resolve-reranker.js';

/**
 * Which heads a worker would use for models.
 *
 * @param name name or folder of a cross-encoder; default: all of RERANK_MODELS
 * @throws RerankError `model_not_found`; `model_unavailable` where a file of heads cannot be read
 */
export async function showExits(config: Config, name?: string): Promise<ExitShowBody> {
  const models: ExitShowBody['models'] = [];
  for (const each of name === undefined ? config.worker.rerankModels : [name]) models.push(await showExit(config, each));
  return { models, remarks: exitRemarks(config) };
}

async function showExit(config: Config, name: string): Promise<ExitShowBody['models'][number]> {
  const { sha256, name: resolved } = await resolveReranker(config, name);
  const model = { name: resolved, sha256 };
  const cacheDirectory = defaultCacheDirectory(config.models.cacheHome);
  const path = findExitHeads(sha256, cacheDirectory);
  if (path === undefined) return { model, heads: null };
  const { file } = await readHeadsFile(path);
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
