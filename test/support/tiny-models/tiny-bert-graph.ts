import { GraphBuilder } from './graph-builder.js';
import type { OnnxGraph, OnnxValue } from './onnx-file.js';
import { quantizeGraph } from './quantize-graph.js';

export const BERT = { width: 16, heads: 2, inner: 32, words: 50, positions: 64, layers: 2 } as const;
const HEAD_WIDTH = BERT.width / BERT.heads;

export interface TinyBertOptions {
  /**
   * What reads the last layer: a classifier its first token, a pooler the mean of its tokens, or nobody, as with an embedder. `leaky` is a classifier whose
   * graph gives the hidden state away, too.
   */
  readonly head: 'classifier' | 'mean' | 'hidden' | 'leaky';
  /**
   * As exporters write it: `sizes` computes shapes and the scale of the scores from `Shape`, and normalizes step by step; `constants` has shapes with
   * constants alone and `LayerNormalization`; `opaque` has a node behind the attention that no rewriting knows; `spelled` reshapes to sizes that it spells out;
   * `inferred` leaves the number of heads to be found out, scales queries and keys alike, and looks for rows without a token behind the softmax.
   */
  readonly style: 'sizes' | 'constants' | 'opaque' | 'spelled' | 'inferred';
  readonly quantized: boolean;
  readonly seed?: number;
  /**
   * What makes the embeddings: `plain` words and places; `bert` token types besides; `xlm-roberta` places that are counted from the ids that are no padding. The last
   * two also bring the mask to a shape of which the ids say a part, as their exporters do. @defaultValue `plain`
   */
  readonly family?: 'plain' | 'bert' | 'xlm-roberta';
  /** @defaultValue 2 */
  readonly layers?: number;
  /** Tokens to each side that attention sees. @defaultValue all */
  readonly reach?: number;
  /** Rows of the table of words. @defaultValue 50 */
  readonly words?: number;
}

/** Id of the padding of the family `xlm-roberta`; places of its tokens begin behind it. */
const PADDING = 1;

const BATCH: readonly string[] = ['batch', 'sequence'];

/** A real encoder with attention, as small as can be; only the family `bert` takes token types. */
export function tinyBertGraph(options: TinyBertOptions): OnnxGraph {
  const builder = new Builder(options);
  const { head } = options;
  const hidden = builder.encoder();
  const output = (name: string, shape: OnnxValue['shape']): OnnxValue => ({ name, element: 'float', shape });
  const logits = head === 'hidden' ? undefined : builder.classifier(head === 'mean' ? builder.mean(hidden) : builder.first(hidden));
  const graph: OnnxGraph = {
    inputs: ['input_ids', 'attention_mask', ...(options.family === 'bert' ? ['token_type_ids'] : [])].map((name) => ({
      name,
      element: 'int64',
      shape: BATCH,
    })),
    outputs: [
      ...(logits === undefined ? [] : [output(logits, ['batch', 1])]),
      ...(head === 'hidden' || head === 'leaky' ? [output(hidden, [...BATCH, BERT.width])] : []),
    ],
    nodes: builder.nodes,
    constants: builder.constants,
  };
  return options.quantized ? quantizeGraph(graph, { tables: [], weights: builder.weights }) : graph;
}

class Builder extends GraphBuilder {
  readonly #style: TinyBertOptions['style'];
  readonly #family: NonNullable<TinyBertOptions['family']>;
  readonly #layers: number;
  readonly #words: number;
  readonly #reach: number | undefined;

  constructor({ style, seed = 1, family = 'plain', layers = BERT.layers, words = BERT.words, reach }: TinyBertOptions) {
    super(seed);
    this.#reach = reach;
    this.#style = style;
    this.#family = family;
    this.#layers = layers;
    this.#words = words;
  }

  encoder(): string {
    const words = this.gather(this.table('words', this.#words, BERT.width), 'input_ids', 0, 'word_each');
    const typed = this.#family === 'bert' ? this.node('Add', [words, this.#types()], 'typed') : words;
    const places = this.#family === 'xlm-roberta' ? this.#countedPlaces() : this.#places();
    let hidden = this.#normalized(this.node('Add', [typed, places], 'embedded'), 'embeddings');
    const mask = this.#mask();
    for (let layer = 0; layer < this.#layers; layer += 1) hidden = this.#layer(hidden, mask, `layer${layer}`);
    return hidden;
  }

  first(hidden: string): string {
    return this.gather(hidden, this.scalar(0), 1, 'first');
  }

  mean(hidden: string): string {
    return this.node('ReduceMean', [hidden], 'mean', { axes: [1], keepdims: 0 });
  }

  classifier(pooled: string): string {
    const dense = this.node('Tanh', [this.linear(pooled, 'pooler', [BERT.width, BERT.width])], 'pooled');
    return this.linear(dense, 'classifier', [BERT.width, 1]);
  }

  #types(): string {
    return this.gather(this.table('types', 2, BERT.width), 'token_type_ids', 0, 'type_each');
  }

  #places(): string {
    const sizes = this.node('Shape', ['input_ids'], 'sizes');
    const length = this.node('Slice', [sizes, this.list([1]), this.list([2])], 'length');
    return this.node('Slice', [this.table('positions', BERT.positions, BERT.width), this.list([0]), length, this.list([0])], 'places');
  }

  /** `cumsum(ids ≠ padding) · (ids ≠ padding) + padding`. */
  #countedPlaces(): string {
    const padding = this.node('Equal', ['input_ids', this.scalar(PADDING)], 'is_padding');
    const token = this.node('Cast', [this.node('Not', [padding], 'is_token')], 'token', { to: 7 });
    const counted = this.node('Mul', [this.node('CumSum', [token, this.scalar(1)], 'count'), token], 'counted');
    const places = this.node('Add', [counted, this.scalar(PADDING)], 'place_numbers');
    return this.gather(this.table('positions', BERT.positions, BERT.width), places, 0, 'places');
  }

  #layer(hidden: string, mask: string, name: string): string {
    const context = this.#attention(hidden, mask, name);
    const attended = this.linear(context, `${name}_out`, [BERT.width, BERT.width]);
    const middle = this.#normalized(this.node('Add', [attended, hidden], `${name}_residual`), `${name}_norm`);
    const inner = this.linear(middle, `${name}_inner`, [BERT.width, BERT.inner]);
    const half = this.node('Div', [inner, this.float(Math.SQRT2)], `${name}_half`);
    const erf = this.node('Add', [this.node('Erf', [half], `${name}_erf`), this.float(1)], `${name}_gate`);
    const gelu = this.node('Mul', [this.node('Mul', [inner, erf], `${name}_gated`), this.float(0.5)], `${name}_gelu`);
    const outer = this.linear(gelu, `${name}_outer`, [BERT.inner, BERT.width]);
    return this.#normalized(this.node('Add', [outer, middle], `${name}_sum`), `${name}_end`);
  }

  #attention(hidden: string, mask: string, name: string): string {
    const project = (part: string): string =>
      this.#split(this.linear(hidden, `${name}_${part}`, [BERT.width, BERT.width]), hidden, `${name}_${part}`);
    const turned = (part: string, perm: readonly number[]): string =>
      this.node('Transpose', [project(part)], `${name}_${part}_turned`, { perm });
    const [query, keys, values] = [turned('query', [0, 2, 1, 3]), turned('key', [0, 2, 3, 1]), turned('value', [0, 2, 1, 3])];
    const scale = this.#scoreScale(query, name);
    const scaled = this.node('Mul', [query, scale], `${name}_scaled`);
    const scaledKeys = this.#style === 'inferred' ? this.node('Mul', [scale, keys], `${name}_keys_scaled`) : keys;
    const scores = this.node('Add', [this.node('MatMul', [scaled, scaledKeys], `${name}_scores`), mask], `${name}_masked`);
    const weights = this.#certain(this.node('Softmax', [scores], `${name}_weights`, { axis: -1 }), name);
    const context = this.node('MatMul', [weights, values], `${name}_context`);
    const turnedBack = this.node('Transpose', [context], `${name}_turned_back`, { perm: [0, 2, 1, 3] });
    const back = this.#style === 'opaque' ? this.node('Expand', [turnedBack, this.list([1])], `${name}_back`) : turnedBack;
    const wide = [this.sizeOf(hidden, 0, name), this.sizeOf(hidden, 1, name), this.list([BERT.width])];
    return this.node('Reshape', [back, this.node('Concat', wide, `${name}_wide_shape`, { axis: 0 })], `${name}_wide`);
  }

  /** `[batch, tokens, width]` to `[batch, tokens, heads, width of a head]`. */
  #split(value: string, hidden: string, name: string): string {
    const heads = [BERT.heads, HEAD_WIDTH];
    if (this.#style === 'constants') return this.node('Reshape', [value, this.list([0, -1, ...heads])], `${name}_split`);
    const isSpelled = this.#style === 'spelled' || this.#style === 'inferred';
    const tokens = isSpelled ? this.sizeOf(hidden, 1, name) : this.list([-1]);
    const said = this.#style === 'inferred' ? [-1, HEAD_WIDTH] : heads;
    const parts = [this.sizeOf(hidden, 0, name), tokens, ...said.map((size) => this.list([size]))];
    return this.node('Reshape', [value, this.node('Concat', parts, `${name}_shape`, { axis: 0 })], `${name}_split`);
  }

  /** 0 where a row has no token at all. */
  #certain(weights: string, name: string): string {
    if (this.#style !== 'inferred') return weights;
    return this.node('Where', [this.node('IsNaN', [weights], `${name}_is_nan`), this.float(0), weights], `${name}_certain`);
  }

  #scoreScale(query: string, name: string): string {
    if (this.#style === 'inferred') return this.float(HEAD_WIDTH ** -0.25);
    if (this.#style !== 'sizes') return this.float(1 / Math.sqrt(HEAD_WIDTH));
    const sizes = this.node('Shape', [query], `${name}_sizes`);
    const width = this.node('Slice', [sizes, this.list([-1]), this.list([2 ** 40])], `${name}_width`);
    const float = this.node('Cast', [width], `${name}_width_float`, { to: 1 });
    return this.node('Div', [this.float(1), this.node('Sqrt', [float], `${name}_root`)], `${name}_scale`);
  }

  /** `[batch, 1, 1, tokens]`, 0 where there is a token and −10,000 where there is none. */
  #mask(): string {
    const wide = this.node('Unsqueeze', ['attention_mask', this.list([1, 2])], 'mask_wide');
    const shaped = this.#family === 'plain' ? wide : this.node('Expand', [wide, this.#maskShape()], 'mask_shaped');
    const absent = this.node('Sub', [this.float(1), this.node('Cast', [shaped], 'mask_float', { to: 1 })], 'mask_absent');
    const mask = this.node('Mul', [absent, this.float(-10_000)], 'mask');
    return this.#reach === undefined ? mask : this.node('Add', [mask, this.#farMask(this.#reach)], 'local_mask');
  }

  /** `[tokens, tokens]`, −10,000 where two are further apart than the reach. */
  #farMask(reach: number): string {
    const length = this.gather(this.node('Shape', ['input_ids'], 'all_sizes'), this.scalar(1), 0, 'all_length');
    const places = this.node('Range', [this.scalar(0), length, this.scalar(1)], 'place_range');
    const [row, column] = [0, 1].map((axis) => this.node('Unsqueeze', [places, this.list([axis])], `place_${axis}`)) as [string, string];
    const distance = this.node('Abs', [this.node('Sub', [row, column], 'apart')], 'distance');
    const far = this.node('Cast', [this.node('Greater', [distance, this.scalar(reach)], 'is_far')], 'far', { to: 1 });
    return this.node('Mul', [far, this.float(-10_000)], 'far_mask');
  }

  /** `[batch, 1, tokens of the ids, tokens of the mask]`. */
  #maskShape(): string {
    const sizes = [
      this.sizeOf('attention_mask', 0, 'mask'),
      this.list([1]),
      this.sizeOf('input_ids', 1, 'ids'),
      this.sizeOf('attention_mask', 1, 'mask'),
    ];
    return this.node('Concat', sizes, 'mask_shape', { axis: 0 });
  }

  #normalized(value: string, name: string): string {
    const [weight, bias] = [this.vector(`${name}_weight`, 1, BERT.width), this.vector(`${name}_bias`, 0, BERT.width)];
    if (this.#style !== 'sizes') return this.node('LayerNormalization', [value, weight, bias], name, { axis: -1 });
    const average = (of: string, to: string): string => this.node('ReduceMean', [of], to, { axes: [-1] });
    const centred = this.node('Sub', [value, average(value, `${name}_mean`)], `${name}_centred`);
    const variance = average(this.node('Pow', [centred, this.float(2)], `${name}_squares`), `${name}_variance`);
    const deviation = this.node('Sqrt', [this.node('Add', [variance, this.float(1e-5)], `${name}_safe`)], `${name}_deviation`);
    const even = this.node('Div', [centred, deviation], `${name}_even`);
    return this.node('Add', [this.node('Mul', [even, weight], `${name}_scaled`), bias], name);
  }
}
