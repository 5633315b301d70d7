import { GraphBuilder } from './graph-builder.js';
import type { OnnxGraph } from './onnx-file.js';
import { quantizeGraph } from './quantize-graph.js';
import { BERT } from './tiny-bert-graph.js';

const { width, heads, inner, words } = BERT;
const HEAD_WIDTH = width / heads;
const LAYERS = 3;
/** Tokens to each side that a local layer sees. */
const REACH = 2;
const BATCH: readonly string[] = ['batch', 'sequence'];
const SWAPPED = { perm: [0, 2, 1, 3] } as const;

/**
 * ModernBERT as small as can be: normalized before attention and feed-forward, no biases, one matrix for queries, keys and values, rotated by their places, gated
 * feed-forward, every layer but each third local. A classifier reads the first token.
 */
export function tinyModernBertGraph({ quantized, seed = 1 }: { readonly quantized: boolean; readonly seed?: number }): OnnxGraph {
  const builder = new Builder(seed);
  const logits = builder.classifier(builder.encoder());
  const graph: OnnxGraph = {
    inputs: ['input_ids', 'attention_mask'].map((name) => ({ name, element: 'int64', shape: BATCH })),
    outputs: [{ name: logits, element: 'float', shape: ['batch', 1] }],
    nodes: builder.nodes,
    constants: builder.constants,
  };
  return quantized ? quantizeGraph(graph, { tables: [], weights: builder.weights }) : graph;
}

class Builder extends GraphBuilder {
  encoder(): string {
    const embedded = this.gather(this.table('words', words, width), 'input_ids', 0, 'word_each');
    let hidden = this.#normalized(embedded, 'embeddings');
    const [global, turns] = [this.#mask(), this.#turns()];
    const local = this.#localMask(global);
    for (let layer = 0; layer < LAYERS; layer += 1) hidden = this.#layer(hidden, layer % 3 === 0 ? global : local, turns, `layer${layer}`);
    return this.#normalized(hidden, 'final');
  }

  classifier(hidden: string): string {
    const first = this.gather(hidden, this.scalar(0), 1, 'first');
    const dense = this.node('Erf', [this.product(first, 'head', [width, width])], 'head_active');
    return this.linear(this.#normalized(dense, 'head_norm'), 'classifier', [width, 1]);
  }

  #layer(hidden: string, mask: string, turns: readonly [string, string], name: string): string {
    // The first layer takes the embeddings, which are normalized already.
    const calm = name === 'layer0' ? hidden : this.#normalized(hidden, `${name}_attn_norm`);
    const attended = this.product(this.#attention(calm, mask, turns, name), `${name}_out`, [width, width]);
    const middle = this.node('Add', [hidden, attended], `${name}_middle`);
    const both = this.product(this.#normalized(middle, `${name}_mlp_norm`), `${name}_inner`, [width, 2 * inner]);
    const [value, gate] = this.halves(both, [`${name}_value`, `${name}_gate`]);
    const gated = this.node('Mul', [this.node('Erf', [value], `${name}_active`), gate], `${name}_gated`);
    return this.node('Add', [middle, this.product(gated, `${name}_outer`, [inner, width])], `${name}_end`);
  }

  #attention(calm: string, mask: string, turns: readonly [string, string], name: string): string {
    const all = this.product(calm, `${name}_qkv`, [width, 3 * width]);
    const split = this.node('Reshape', [all, this.list([0, -1, 3 * heads, HEAD_WIDTH])], `${name}_split`);
    const turned = this.node('Transpose', [split], `${name}_turned`, SWAPPED);
    const part = (from: number, to: string): string =>
      this.node('Slice', [turned, this.list([from * heads]), this.list([(from + 1) * heads]), this.list([1])], `${name}_${to}`);
    const query = this.#rotated(part(0, 'query'), turns, `${name}_query`);
    const keys = this.node('Transpose', [this.#rotated(part(1, 'key'), turns, `${name}_key`)], `${name}_keys`, { perm: [0, 1, 3, 2] });
    const scaled = this.node(
      'Mul',
      [this.node('MatMul', [query, keys], `${name}_scores`), this.float(HEAD_WIDTH ** -0.5)],
      `${name}_scaled`,
    );
    const weights = this.node('Softmax', [this.node('Add', [scaled, mask], `${name}_masked`)], `${name}_weights`, { axis: -1 });
    const context = this.node('MatMul', [weights, part(2, 'values')], `${name}_context`);
    const back = this.node('Transpose', [context], `${name}_back`, SWAPPED);
    const wide = [this.sizeOf(calm, 0, name), this.sizeOf(calm, 1, name), this.list([width])];
    return this.node('Reshape', [back, this.node('Concat', wide, `${name}_wide_shape`, { axis: 0 })], `${name}_wide`);
  }

  /** Cosine and sine of each place, `[tokens, width of a head]`. */
  #turns(): readonly [string, string] {
    const length = this.gather(this.node('Shape', ['input_ids'], 'sizes'), this.scalar(1), 0, 'length');
    const places = this.node('Cast', [this.node('Range', [this.scalar(0), length, this.scalar(1)], 'range')], 'places', { to: 1 });
    const column = this.node('Unsqueeze', [places, this.list([1])], 'place_column');
    const half = Float32Array.from({ length: HEAD_WIDTH / 2 }, (_, pair) => 10_000 ** ((-2 * pair) / HEAD_WIDTH));
    const angles = this.node('Mul', [column, this.constant('frequencies', [1, HEAD_WIDTH], Float32Array.of(...half, ...half))], 'angles');
    return [this.node('Cos', [angles], 'cosines'), this.node('Sin', [angles], 'sines')];
  }

  #rotated(value: string, [cosines, sines]: readonly [string, string], name: string): string {
    const [first, second] = this.halves(value, [`${name}_first`, `${name}_second`]);
    const crossed = this.node('Concat', [this.node('Neg', [second], `${name}_negated`), first], `${name}_crossed`, { axis: -1 });
    const [straight, across] = [
      this.node('Mul', [value, cosines], `${name}_straight`),
      this.node('Mul', [crossed, sines], `${name}_across`),
    ];
    return this.node('Add', [straight, across], `${name}_rotated`);
  }

  #mask(): string {
    const wide = this.node('Unsqueeze', ['attention_mask', this.list([1, 2])], 'mask_wide');
    const absent = this.node('Sub', [this.float(1), this.node('Cast', [wide], 'mask_float', { to: 1 })], 'mask_absent');
    return this.node('Mul', [absent, this.float(-10_000)], 'mask');
  }

  /** Places further away than the reach are as good as absent. */
  #localMask(global: string): string {
    const [row, column] = [this.node('Unsqueeze', ['places', this.list([0])], 'place_row'), 'place_column'];
    const distance = this.node('Abs', [this.node('Sub', [row, column], 'apart')], 'distance');
    const far = this.node('Cast', [this.node('Greater', [distance, this.float(REACH)], 'is_far')], 'far', { to: 1 });
    return this.node('Add', [global, this.node('Mul', [far, this.float(-10_000)], 'far_mask')], 'local_mask');
  }

  #normalized(value: string, name: string): string {
    const zeros = this.constant('no_bias', [width], new Float32Array(width));
    return this.node('LayerNormalization', [value, this.vector(`${name}_weight`, 1, width), zeros], name, { axis: -1 });
  }
}
