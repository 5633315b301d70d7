import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeOnnx } from './onnx-file.js';
import { BERT, tinyBertGraph } from './tiny-bert-graph.js';
import { tinyGraph } from './tiny-graph.js';
import { TINY_FAULTS, tinyTokenizer, type TinyLayout } from './tiny-tokenizers.js';

export interface TinyModelOptions {
  readonly kind: 'cross-encoder' | 'embedder';
  readonly layout: TinyLayout;
  /** @defaultValue 1 */
  readonly labels?: 1 | 3;
  /** Longest input in tokens. @defaultValue 128 */
  readonly maxLength?: number;
  /** Turns of the idle loop for the word `slow`, a few microseconds each. @defaultValue 50,000 */
  readonly slowTurns?: number;
  /** Padded tokens of the largest batch that it has memory for; beyond, onnxruntime fails to allocate. @defaultValue any */
  readonly roomForTokens?: number;
  /** Other weights, so another revision. @defaultValue 1 */
  readonly seed?: number;
  /** int8 as onnxruntime's dynamic quantization makes it: a score depends on its batch mates. @defaultValue false */
  readonly quantized?: boolean;
}

/** Position numbers of these start behind the padding index, so two rows of the table are no tokens. */
const OFFSET_LAYOUTS: readonly TinyLayout[] = ['roberta', 'xlm-roberta'];
const ARCHITECTURES = { bert: 'Bert', roberta: 'Roberta', 'xlm-roberta': 'XLMRoberta', modernbert: 'ModernBert' } as const;
/** Far beyond the life of any test. */
const FOREVER = 1n << 50n;

/**
 * Writes a random model of some kB in the hub's ONNX layout: model.onnx, tokenizer.json, tokenizer_config.json, config.json. The same options give the
 * same bytes. In the BERT layout, words of `TINY_FAULTS` make it throw, give a score that is no number, run slowly or never end.
 */
export async function writeTinyModel(directory: string, options: TinyModelOptions): Promise<string> {
  const { kind, layout, labels = 1, maxLength = 128, slowTurns = 50_000, seed = 1, quantized = false } = options;
  const tokenizer = tinyTokenizer(layout);
  const id = (word: string): number | undefined => tokenizer.ids.get(word);
  const present = <T>(entries: readonly (readonly [number | undefined, T])[]): (readonly [number, T])[] =>
    entries.flatMap(([key, value]) => (key === undefined ? [] : [[key, value] as const]));
  const throwing = id(TINY_FAULTS.throws) !== undefined;
  const graph = tinyGraph({
    kind,
    labels,
    seed,
    quantized,
    roomForTokens: options.roomForTokens,
    words: tokenizer.ids.size - (throwing ? 1 : 0),
    positions: maxLength,
    tokenTypes: layout === 'bert',
    notANumber: present([[id(TINY_FAULTS.notANumber), true]]).map(([key]) => key),
    turns: new Map(
      present([
        [id(TINY_FAULTS.slow), BigInt(slowTurns)],
        [id(TINY_FAULTS.hangs), FOREVER],
      ]),
    ),
  });
  return await writeFolder(directory, {
    'model.onnx': encodeOnnx(graph),
    'tokenizer.json': JSON.stringify(tokenizer.file),
    'tokenizer_config.json': JSON.stringify({ model_max_length: maxLength, tokenizer_class: 'PreTrainedTokenizerFast' }),
    'config.json': JSON.stringify(modelConfig({ kind, layout, labels, maxLength })),
  });
}

export interface LayeredModelOptions {
  /** Between which the model can be cut; it cannot where there is one. */
  readonly layers: number;
  /** @defaultValue 1 */
  readonly seed?: number;
}

/** Writes a random cross-encoder with attention, of some layers, in the same layout as `writeTinyModel`. */
export async function writeLayeredModel(directory: string, { layers, seed = 1 }: LayeredModelOptions): Promise<string> {
  const tokenizer = tinyTokenizer('bert');
  const words = tokenizer.ids.size;
  const graph = tinyBertGraph({ head: 'classifier', style: 'sizes', quantized: false, family: 'bert', layers, seed, words });
  const maxLength = BERT.positions;
  return await writeFolder(directory, {
    'model.onnx': encodeOnnx(graph),
    'tokenizer.json': JSON.stringify(tokenizer.file),
    'tokenizer_config.json': JSON.stringify({ model_max_length: maxLength, tokenizer_class: 'PreTrainedTokenizerFast' }),
    'config.json': JSON.stringify(modelConfig({ kind: 'cross-encoder', layout: 'bert', labels: 1, maxLength })),
  });
}

async function writeFolder(directory: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  await mkdir(directory, { recursive: true });
  await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(directory, name), content)));
  return directory;
}

function modelConfig({
  kind,
  layout,
  labels,
  maxLength,
}: Required<Pick<TinyModelOptions, 'kind' | 'layout' | 'labels' | 'maxLength'>>): object {
  const names = labels === 1 ? ['LABEL_0'] : ['irrelevant', 'unsure', 'relevant'];
  return {
    architectures: [`${ARCHITECTURES[layout]}${kind === 'embedder' ? 'Model' : 'ForSequenceClassification'}`],
    model_type: layout,
    max_position_embeddings: maxLength + (OFFSET_LAYOUTS.includes(layout) ? 2 : 0),
    id2label: Object.fromEntries(names.map((name, label) => [String(label), name])),
  };
}
