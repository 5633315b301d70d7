import type { ModelTraits, ResolvedModel } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { digestFile } from '@rerank-fleet/core/models';

const TRAITS = [
  'kind',
  'labelIndex',
  'maxLength',
  'pooling',
  'normalize',
  'queryPrefix',
  'passagePrefix',
] as const satisfies readonly (keyof ModelTraits)[];

/**
 * Clients know a model of a kind by its name; tasks, threads and caches know it by its file. So neither may mean two. One that is named twice, as with and without its
 * precision, is one.
 *
 * @throws RerankError `model_unavailable`
 */
export async function assertDistinctModels(models: readonly ResolvedModel[]): Promise<void> {
  for (const [at, model] of models.entries()) {
    for (const other of models.slice(0, at)) {
      if (other.sha256 !== model.sha256) assertOtherName(model, other);
      else await assertSame(model, other);
    }
  }
}

function assertOtherName(model: ResolvedModel, other: ResolvedModel): void {
  if (model.kind !== other.kind || model.name !== other.name) return;
  throw new RerankError(
    'model_unavailable',
    `${other.directory} and ${model.directory} are two models of the name "${model.name}": rename one of the folders.`,
  );
}

async function assertSame(model: ResolvedModel, other: ResolvedModel): Promise<void> {
  const differing = TRAITS.filter((trait) => model[trait] !== other[trait]);
  const differs = differing.length > 0 ? differing.join(', ') : (await haveOneTokenizer(model, other)) ? undefined : 'tokenizer';
  if (differs === undefined) return;
  throw new RerankError(
    'model_unavailable',
    `${other.directory} and ${model.directory} hold the same ONNX file and differ in ${differs}: give each to a pool of workers of its own.`,
  );
}

async function haveOneTokenizer(model: ResolvedModel, other: ResolvedModel): Promise<boolean> {
  if (model.tokenizerPath === other.tokenizerPath) return true;
  const [one, two] = await Promise.all([digestFile(model.tokenizerPath), digestFile(other.tokenizerPath)]);
  return one.sha256 === two.sha256;
}
