import type { OnnxConstant, OnnxGraph, OnnxNode, OnnxValue } from './onnx-file.js';
import { quantizeGraph } from './quantize-graph.js';
import { randomWeights } from './random-weights.js';

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
   * constants alone and `LayerNormalization`; `opaque` has a node behind the attention that no rewriting knows; `spelled` reshapes to sizes that it spells out.
   */
  readonly style: 'sizes' | 'constants' | 'opaque' | 'spelled';
  readonly quantized: boolean;
  readonly seed?: number;
}

const BATCH: readonly string[] = ['batch', 'sequence'];

/** A real encoder of two layers with attention, as small as can be; inputs are those of BERT without token types. */
export function tinyBertGraph(options: TinyBertOptions): OnnxGraph {
  const builder = new Builder(options);
  const { head } = options;
  const hidden = builder.encoder();
  const output = (name: string, shape: OnnxValue['shape']): OnnxValue => ({ name, element: 'float', shape });
  const logits = head === 'hidden' ? undefined : builder.classifier(head === 'mean' ? builder.mean(hidden) : builder.first(hidden));
  const graph: OnnxGraph = {
    inputs: ['input_ids', 'attention_mask'].map((name) => ({ name, element: 'int64', shape: BATCH })),
    outputs: [
      ...(logits === undefined ? [] : [output(logits, ['batch', 1])]),
      ...(head === 'hidden' || head === 'leaky' ? [output(hidden, [...BATCH, BERT.width])] : []),
    ],
    nodes: builder.nodes,
    constants: builder.constants,
  };
  return options.quantized ? quantizeGraph(graph, { tables: [], weights: builder.weights }) : graph;
}

class Builder {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxConstant[] = [];
  readonly weights: string[] = [];
  readonly #style: TinyBertOptions['style'];
  readonly #random: ReturnType<typeof randomWeights>;

  constructor({ style, seed = 1 }: TinyBertOptions) {
    this.#style = style;
    this.#random = randomWeights(seed);
  }

  encoder(): string {
    const words = this.#gather(this.#table('words', BERT.words), 'input_ids', 0, 'word_each');
    const sizes = this.#node('Shape', ['input_ids'], 'sizes');
    const length = this.#node('Slice', [sizes, this.#list([1]), this.#list([2])], 'length');
    const places = this.#node('Slice', [this.#table('positions', BERT.positions), this.#list([0]), length, this.#list([0])], 'places');
    let hidden = this.#normalized(this.#node('Add', [words, places], 'embedded'), 'embeddings');
    const mask = this.#mask();
    for (let layer = 0; layer < BERT.layers; layer += 1) hidden = this.#layer(hidden, mask, `layer${layer}`);
    return hidden;
  }

  first(hidden: string): string {
    return this.#gather(hidden, this.#scalar(0), 1, 'first');
  }

  mean(hidden: string): string {
    return this.#node('ReduceMean', [hidden], 'mean', { axes: [1], keepdims: 0 });
  }

  classifier(pooled: string): string {
    const dense = this.#node('Tanh', [this.#linear(pooled, 'pooler', BERT.width, BERT.width)], 'pooled');
    return this.#linear(dense, 'classifier', BERT.width, 1);
  }

  #layer(hidden: string, mask: string, name: string): string {
    const context = this.#attention(hidden, mask, name);
    const attended = this.#linear(context, `${name}_out`, BERT.width, BERT.width);
    const middle = this.#normalized(this.#node('Add', [attended, hidden], `${name}_residual`), `${name}_norm`);
    const inner = this.#linear(middle, `${name}_inner`, BERT.width, BERT.inner);
    const half = this.#node('Div', [inner, this.#float(Math.SQRT2)], `${name}_half`);
    const erf = this.#node('Add', [this.#node('Erf', [half], `${name}_erf`), this.#float(1)], `${name}_gate`);
    const gelu = this.#node('Mul', [this.#node('Mul', [inner, erf], `${name}_gated`), this.#float(0.5)], `${name}_gelu`);
    const outer = this.#linear(gelu, `${name}_outer`, BERT.inner, BERT.width);
    return this.#normalized(this.#node('Add', [outer, middle], `${name}_sum`), `${name}_end`);
  }

  #attention(hidden: string, mask: string, name: string): string {
    const project = (part: string): string =>
      this.#split(this.#linear(hidden, `${name}_${part}`, BERT.width, BERT.width), hidden, `${name}_${part}`);
    const turned = (part: string, perm: readonly number[]): string =>
      this.#node('Transpose', [project(part)], `${name}_${part}_turned`, { perm });
    const [query, keys, values] = [turned('query', [0, 2, 1, 3]), turned('key', [0, 2, 3, 1]), turned('value', [0, 2, 1, 3])];
    const scaled = this.#node('Mul', [query, this.#scoreScale(query, name)], `${name}_scaled`);
    const scores = this.#node('Add', [this.#node('MatMul', [scaled, keys], `${name}_scores`), mask], `${name}_masked`);
    const weights = this.#node('Softmax', [scores], `${name}_weights`, { axis: -1 });
    const context = this.#node('MatMul', [weights, values], `${name}_context`);
    const turnedBack = this.#node('Transpose', [context], `${name}_turned_back`, { perm: [0, 2, 1, 3] });
    const back = this.#style === 'opaque' ? this.#node('Expand', [turnedBack, this.#list([1])], `${name}_back`) : turnedBack;
    const wide = [this.#sizeOf(hidden, 0, name), this.#sizeOf(hidden, 1, name), this.#list([BERT.width])];
    return this.#node('Reshape', [back, this.#node('Concat', wide, `${name}_wide_shape`, { axis: 0 })], `${name}_wide`);
  }

  /** `[batch, tokens, width]` to `[batch, tokens, heads, width of a head]`. */
  #split(value: string, hidden: string, name: string): string {
    const heads = [BERT.heads, HEAD_WIDTH];
    if (this.#style === 'constants') return this.#node('Reshape', [value, this.#list([0, -1, ...heads])], `${name}_split`);
    const tokens = this.#style === 'spelled' ? this.#sizeOf(hidden, 1, name) : this.#list([-1]);
    const parts = [this.#sizeOf(hidden, 0, name), tokens, ...heads.map((size) => this.#list([size]))];
    return this.#node('Reshape', [value, this.#node('Concat', parts, `${name}_shape`, { axis: 0 })], `${name}_split`);
  }

  #scoreScale(query: string, name: string): string {
    if (this.#style !== 'sizes') return this.#float(1 / Math.sqrt(HEAD_WIDTH));
    const sizes = this.#node('Shape', [query], `${name}_sizes`);
    const width = this.#node('Slice', [sizes, this.#list([-1]), this.#list([2 ** 40])], `${name}_width`);
    const float = this.#node('Cast', [width], `${name}_width_float`, { to: 1 });
    return this.#node('Div', [this.#float(1), this.#node('Sqrt', [float], `${name}_root`)], `${name}_scale`);
  }

  #sizeOf(value: string, axis: number, name: string): string {
    const id = `${name}_${this.nodes.length}`;
    const size = this.#gather(this.#node('Shape', [value], `${id}_all`), this.#scalar(axis), 0, `${id}_one`);
    return this.#node('Unsqueeze', [size, this.#list([0])], `${id}_size`);
  }

  /** `[batch, 1, 1, tokens]`, 0 where there is a token and −10,000 where there is none. */
  #mask(): string {
    const wide = this.#node('Unsqueeze', ['attention_mask', this.#list([1, 2])], 'mask_wide');
    const absent = this.#node('Sub', [this.#float(1), this.#node('Cast', [wide], 'mask_float', { to: 1 })], 'mask_absent');
    return this.#node('Mul', [absent, this.#float(-10_000)], 'mask');
  }

  #normalized(value: string, name: string): string {
    const [weight, bias] = [this.#vector(`${name}_weight`, 1), this.#vector(`${name}_bias`, 0)];
    if (this.#style !== 'sizes') return this.#node('LayerNormalization', [value, weight, bias], name, { axis: -1 });
    const average = (of: string, to: string): string => this.#node('ReduceMean', [of], to, { axes: [-1] });
    const centred = this.#node('Sub', [value, average(value, `${name}_mean`)], `${name}_centred`);
    const variance = average(this.#node('Pow', [centred, this.#float(2)], `${name}_squares`), `${name}_variance`);
    const deviation = this.#node('Sqrt', [this.#node('Add', [variance, this.#float(1e-5)], `${name}_safe`)], `${name}_deviation`);
    const even = this.#node('Div', [centred, deviation], `${name}_even`);
    return this.#node('Add', [this.#node('Mul', [even, weight], `${name}_scaled`), bias], name);
  }

  #linear(value: string, name: string, from: number, to: number): string {
    const weight = `${name}_matrix`;
    this.weights.push(weight);
    this.constants.push({ name: weight, dims: [from, to], values: this.#random(from * to, 2 / Math.sqrt(from)) });
    const bias = `${name}_offset`;
    this.constants.push({ name: bias, dims: [to], values: this.#random(to, 0.5) });
    return this.#node('Add', [bias, this.#node('MatMul', [value, weight], `${name}_product`)], name);
  }

  #node(op: string, inputs: readonly string[], output: string, attributes?: NonNullable<OnnxNode['attributes']>): string {
    this.nodes.push({ op, inputs, outputs: [output], ...(attributes === undefined ? {} : { attributes }) });
    return output;
  }

  #gather(table: string, rows: string, axis: number, output: string): string {
    return this.#node('Gather', [table, rows], output, { axis });
  }

  #table(name: string, rows: number): string {
    this.constants.push({ name, dims: [rows, BERT.width], values: this.#random(rows * BERT.width, 1) });
    return name;
  }

  #vector(name: string, centre: number): string {
    this.constants.push({ name, dims: [BERT.width], values: this.#random(BERT.width, 0.5).map((value) => value + centre) });
    return name;
  }

  #constant(name: string, dims: readonly number[], values: OnnxConstant['values']): string {
    if (!this.constants.some((constant) => constant.name === name)) this.constants.push({ name, dims, values });
    return name;
  }

  #list(values: readonly number[]): string {
    return this.#constant(`list_${values.join('_')}`, [values.length], BigInt64Array.from(values, BigInt));
  }

  #scalar(value: number): string {
    return this.#constant(`scalar_${value}`, [], BigInt64Array.of(BigInt(value)));
  }

  #float(value: number): string {
    return this.#constant(`float_${value}`, [], Float32Array.of(value));
  }
}
