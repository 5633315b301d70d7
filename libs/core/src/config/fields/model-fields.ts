import { z } from 'zod';
import { modelNameSchema } from '../../contracts/index.js';
import { field, json } from './field.js';

const aliases = json('must be a JSON object of name to model', z.record(z.string(), modelNameSchema));

export const models = {
  directory: field({
    env: 'MODELS_DIR',
    description: 'Folder of models in Hugging Face ONNX layout, one folder a model; looked at before the cache.',
    schema: z.string().optional(),
  }),
  cacheHome: field({
    env: 'XDG_CACHE_HOME',
    description: 'Pulled models and the packaged redis-server are kept under `rerank-fleet` in it. Default: `~/.cache`.',
    schema: z.string().optional(),
  }),
  hubEndpoint: field({
    env: 'HF_ENDPOINT',
    description: 'Model hub.',
    schema: z.url({ protocol: /^https?$/ }).default('https://huggingface.co'),
  }),
  hubToken: field({ env: 'HF_TOKEN', secret: true, description: 'Token for the hub.', schema: z.string().optional() }),
  aliases: field({
    env: 'MODEL_ALIASES',
    description:
      'JSON object: names that clients send → model served, e.g. {"rerank-v3.5":"ms-marco-MiniLM-L-12-v2"}. Names of Cohere’s, Jina’s and Voyage’s rerankers that are not in it go to the default model.',
    schema: aliases.optional().transform((value) => value ?? {}),
  }),
} as const;
