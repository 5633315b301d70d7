import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelKind, ModelTraits, Pooling } from '../domain/index.js';
import { RerankError } from '../errors/index.js';

type JsonObject = Readonly<Record<string, unknown>>;

/** Architectures whose position numbers start behind the padding index, so that two of `max_position_embeddings` are no tokens. */
const OFFSET_POSITIONS = new Set(['roberta', 'xlm-roberta', 'camembert', 'mpnet', 'xlm-roberta-xl']);

/** Labels that mean "relevant" where a classifier has several. */
const RELEVANT_LABEL = /^(yes|true|relevant|positive|entailment|label_1)$/i;

const DEFAULT_MAX_LENGTH = 512;
/** Tokenizers without a limit say `1e30`. */
const NO_LIMIT = 1e9;

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

const positiveInteger = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value < NO_LIMIT ? value : undefined;

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RerankError('model_unavailable', `${path} is not valid JSON; get the model's folder again.`, { cause: error });
  }
}

async function readObject(path: string): Promise<JsonObject> {
  const value = await readJson(path);
  return isObject(value) ? value : {};
}

function inferKind(directory: string, config: JsonObject, modules: unknown): ModelKind {
  const architectures = Array.isArray(config.architectures) ? (config.architectures as unknown[]) : [];
  const first = architectures[0];
  if (typeof first === 'string') return first.endsWith('ForSequenceClassification') ? 'cross-encoder' : 'embedder';
  if (modules !== undefined) return 'embedder';
  throw new RerankError(
    'model_unavailable',
    `${directory} does not say whether it holds a cross-encoder or an embedder: add the model's config.json, with "architectures".`,
  );
}

function inferMaxLength(config: JsonObject, tokenizer: JsonObject, sentenceBert: JsonObject): number {
  const positions = positiveInteger(config.max_position_embeddings);
  const offset = typeof config.model_type === 'string' && OFFSET_POSITIONS.has(config.model_type) ? 2 : 0;
  const limits = [
    positions === undefined ? undefined : positions - offset,
    positiveInteger(tokenizer.model_max_length),
    positiveInteger(sentenceBert.max_seq_length),
  ].filter((limit) => limit !== undefined);
  return limits.length === 0 ? DEFAULT_MAX_LENGTH : Math.min(...limits);
}

function inferLabelIndex(directory: string, config: JsonObject): number | undefined {
  const labels = isObject(config.id2label) ? Object.entries(config.id2label) : [];
  if (labels.length < 2) return undefined;
  const relevant = labels.find(([, label]) => typeof label === 'string' && RELEVANT_LABEL.test(label));
  if (relevant !== undefined) return Number(relevant[0]);
  throw new RerankError(
    'model_unavailable',
    `${directory} has ${labels.length} output labels and none is named yes, true, relevant, positive, entailment or LABEL_1: name one so in "id2label" of its config.json.`,
  );
}

function inferPooling(directory: string, pooling: JsonObject): Pooling {
  if (pooling.pooling_mode_cls_token === true) return 'cls';
  const others = Object.entries(pooling).filter(
    ([key, value]) => key.startsWith('pooling_mode_') && key !== 'pooling_mode_mean_tokens' && value === true,
  );
  if (others.length === 0) return 'mean';
  throw new RerankError(
    'model_unavailable',
    `${directory} pools by ${others.map(([key]) => key).join(', ')}; only cls and mean pooling are known.`,
  );
}

async function embedderTraits(directory: string, modules: unknown): Promise<Omit<ModelTraits, 'kind' | 'maxLength'>> {
  const [pooling, sentenceTransformers] = await Promise.all([
    readObject(join(directory, '1_Pooling', 'config.json')),
    readObject(join(directory, 'config_sentence_transformers.json')),
  ]);
  const prompts = isObject(sentenceTransformers.prompts) ? sentenceTransformers.prompts : {};
  const queryPrefix = prompts.query;
  const passagePrefix = prompts.document ?? prompts.passage;
  const steps = Array.isArray(modules) ? (modules as unknown[]) : undefined;
  const normalizes = steps?.some((step) => isObject(step) && typeof step.type === 'string' && step.type.endsWith('Normalize'));
  return {
    pooling: inferPooling(directory, pooling),
    normalize: normalizes ?? true,
    ...(typeof queryPrefix === 'string' && queryPrefix !== '' ? { queryPrefix } : {}),
    ...(typeof passagePrefix === 'string' && passagePrefix !== '' ? { passagePrefix } : {}),
  };
}

/**
 * What a folder in the hub's layout says of its model: kind from `architectures`, window from the smallest stated limit, pooling,
 * normalisation and prompts from the sentence-transformers files.
 *
 * @throws RerankError `model_unavailable` if the files do not say enough
 */
export async function inferTraits(directory: string, kind?: ModelKind): Promise<ModelTraits> {
  const [config, tokenizer, sentenceBert, modules] = await Promise.all([
    readObject(join(directory, 'config.json')),
    readObject(join(directory, 'tokenizer_config.json')),
    readObject(join(directory, 'sentence_bert_config.json')),
    readJson(join(directory, 'modules.json')),
  ]);
  const inferred = kind ?? inferKind(directory, config, modules);
  const maxLength = inferMaxLength(config, tokenizer, sentenceBert);
  if (inferred === 'embedder') return { kind: inferred, maxLength, ...(await embedderTraits(directory, modules)) };
  const labelIndex = inferLabelIndex(directory, config);
  return { kind: inferred, maxLength, ...(labelIndex === undefined ? {} : { labelIndex }) };
}
