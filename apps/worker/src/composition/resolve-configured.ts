import type { Config } from '@rerank-fleet/core/config';
import type { ModelKind, ResolvedModel } from '@rerank-fleet/core/domain';
import { defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import type { FastVariant, InferenceModel } from '../inference/inference-messages.js';

/**
 * A model by name or folder, in the precision that suits the configured device; pulled if it is not here.
 *
 * @throws RerankError `model_not_found`, `model_unavailable`
 */
export async function resolveConfigured({ models, worker }: Config, name: string, kind: ModelKind): Promise<ResolvedModel> {
  return await resolveModel(name, {
    cacheDirectory: defaultCacheDirectory(models.cacheHome),
    modelsDirectory: models.directory,
    hubEndpoint: models.hubEndpoint,
    hubToken: models.hubToken,
    device: worker.device,
    kind,
  });
}

/** What an inference thread must know of it. */
export function inferenceModel(model: ResolvedModel, fast?: FastVariant): InferenceModel {
  const { sha256, onnxPath, kind } = model;
  const output =
    kind === 'cross-encoder'
      ? ({ kind: 'logit', labelIndex: model.labelIndex } as const)
      : ({ kind: 'vector', pooling: model.pooling ?? 'mean', normalize: model.normalize ?? true } as const);
  return { sha256, onnxPath, output, ...(fast === undefined ? {} : { fast }) };
}
