import type { Config } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { resolveConfigured } from './resolve-configured.js';

/**
 * A cross-encoder as `resolveConfigured` finds it.
 *
 * @param name default: the first of RERANK_MODELS
 * @throws RerankError `model_not_found`, `model_unavailable`; `invalid_request` where it is known for an embedder
 */
export async function resolveReranker(config: Config, name = config.worker.rerankModels[0] ?? ''): Promise<ResolvedModel> {
  const model = await resolveConfigured(config, name, 'cross-encoder');
  if (model.kind === 'cross-encoder') return model;
  throw new RerankError('invalid_request', `The model ${model.name} embeds texts and scores no pairs: early exit is for cross-encoders.`);
}
