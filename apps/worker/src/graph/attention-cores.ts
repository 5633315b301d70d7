import { attributeOf, MASK_INPUT, type GraphIndex } from './graph-index.js';
import type { OnnxGraphProto, OnnxNodeProto } from './onnx-proto.js';
import { constantSizes } from './token-axis.js';
import { UniformValues, type Uniform } from './uniform-values.js';

/** `softmax(scale · Q·Kᵀ + mask) · V` for each head, spelled out in nodes. */
export interface AttentionCore {
  /** `[batch, tokens, heads · width]`; queries may be of fewer tokens than keys and values. */
  readonly query: string;
  readonly keys: string;
  readonly values: string;
  readonly heads: number;
  readonly width: number;
  /** Of the scores. */
  readonly scale: number;
  /** `Reshape` of queries, keys and values to `[batch, tokens, heads, width]`. */
  readonly splits: readonly OnnxNodeProto[];
  /** `Reshape` of the context to `[batch, tokens, heads · width]`. */
  readonly join: OnnxNodeProto;
  /** Factors by which queries, keys or scores are scaled, where these are computed and not constants. */
  readonly factors: readonly Factor[];
  /** Whether nothing is added to the scores where the attention mask is 1 everywhere. */
  readonly attendsToAll: boolean;
}

export interface Factor {
  readonly node: OnnxNodeProto;
  readonly input: number;
  readonly value: number;
}

const BY_HEAD = '0,2,1,3';
const KEYS_TURNED = '0,2,3,1';
const UNTOUCHED = [0, 1, 2, 3];

/** Attentions of which every node is known, in the order of computation. Masks of windows, rotated queries and quantized products are not known. */
export function findAttentionCores(graph: OnnxGraphProto, index: GraphIndex): AttentionCore[] {
  const unpadded = new UniformValues(index, new Map([[MASK_INPUT, { element: 'integer', value: 1 }]]));
  return graph.node.flatMap((node) => (node.opType === 'Softmax' ? (new CoreReader(index, node).read(unpadded) ?? []) : []));
}

/** An operand on its way from a `Reshape` to heads. */
interface Operand {
  readonly from: string;
  readonly split: OnnxNodeProto;
  readonly heads: number;
  readonly width: number;
  readonly perm: string;
  readonly steps: readonly Step[];
}

/** A multiplication or division by what has no axis of tokens. */
interface Step {
  readonly node: OnnxNodeProto;
  /** Position of the factor among the node's inputs. */
  readonly input: number;
}

class CoreReader {
  readonly #index: GraphIndex;
  readonly #softmax: OnnxNodeProto;

  constructor(index: GraphIndex, softmax: OnnxNodeProto) {
    this.#index = index;
    this.#softmax = softmax;
  }

  read(unpadded: UniformValues): AttentionCore | undefined {
    const axis = attributeOf(this.#softmax, 'axis')?.i ?? -1;
    const added = this.#index.producers.get(this.#softmax.input[0]!);
    if ((axis !== -1 && axis !== 3) || added?.opType !== 'Add') return undefined;
    for (const [scores, mask] of [added.input, added.input.toReversed()] as [string, string][]) {
      const { end, steps } = this.#upThroughFactors(scores);
      const product = this.#index.producers.get(end);
      if (product?.opType !== 'MatMul') continue;
      const attendsToAll = unpadded.of(mask)?.value === 0;
      return this.#fromProduct(product, steps, attendsToAll);
    }
    return undefined;
  }

  #fromProduct(product: OnnxNodeProto, scoreSteps: readonly Step[], attendsToAll: boolean): AttentionCore | undefined {
    const [query, keys] = [this.#operand(product.input[0]!), this.#operand(product.input[1]!)];
    const context = this.#weighted(this.#softmax.output[0]!);
    const values = context === undefined ? undefined : this.#operand(context.input[1]!);
    const join = context === undefined ? undefined : this.#joined(context.output[0]!);
    if (query === undefined || keys === undefined || values === undefined || join === undefined) return undefined;
    const { heads, width } = keys;
    const isAlike = [query, values].every((other) => other.heads === heads && other.width === width);
    const isTurned = query.perm === BY_HEAD && keys.perm === KEYS_TURNED && values.perm === BY_HEAD;
    const joined = constantSizes(join.input[1]!, this.#index).at(-1);
    if (!isAlike || !isTurned || values.steps.length > 0 || (joined !== -1 && joined !== heads * width)) return undefined;
    const known = new UniformValues(this.#index, this.#widths(query, keys));
    const factors = [...query.steps, ...keys.steps, ...scoreSteps].map(({ node, input }) => ({
      node,
      input,
      known: known.of(node.input[input]!),
    }));
    let scale = 1;
    for (const { node, known: factor } of factors) {
      if (factor?.element !== 'float') return undefined;
      scale = node.opType === 'Mul' ? scale * factor.value : scale / factor.value;
    }
    return {
      query: query.from,
      keys: keys.from,
      values: values.from,
      heads,
      width,
      scale,
      splits: [query.split, keys.split, values.split],
      join,
      factors: factors
        .filter(({ node, input }) => !this.#index.constants.has(node.input[input]!))
        .map(({ node, input, known: factor }) => ({ node, input, value: factor!.value })),
      attendsToAll,
    };
  }

  /** What `Slice` or `Gather` takes of the sizes of queries and keys when it asks for the width of a head, which exporters compute the scale from. */
  #widths(query: Operand, keys: Operand): Map<string, Uniform> {
    const widths = new Map<string, Uniform>();
    for (const { split, width } of [query, keys])
      for (const sizes of this.#sizesOf(split.output[0]!))
        for (const { node } of this.#index.takersOf(sizes)) {
          const [first] = this.#index.integers(node?.input[1] ?? '') ?? [];
          const asksForLast = (node?.opType === 'Slice' || node?.opType === 'Gather') && (first === -1 || first === 3);
          if (asksForLast) widths.set(node.output[0]!, { element: 'integer', value: width });
        }
    return widths;
  }

  /** Results of `Shape` of a value of heads, and of what it is turned into while its last axis stays the width. */
  #sizesOf(value: string): string[] {
    return this.#index.takersOf(value).flatMap(({ node }) => {
      if (node?.opType === 'Shape' && node.attribute.length === 0) return node.output;
      const staysLast = node?.opType === 'Transpose' && attributeOf(node, 'perm')?.ints?.join() === BY_HEAD;
      return staysLast ? this.#sizesOf(node.output[0]!) : [];
    });
  }

  /** Up from a value by heads, through what scales and turns it, to the `Reshape` that made the heads. */
  #operand(value: string): Operand | undefined {
    const steps: Step[] = [];
    let perm = UNTOUCHED;
    for (let at = value; ;) {
      const scaled = this.#upThroughFactors(at);
      steps.push(...scaled.steps);
      const node = this.#index.producers.get(scaled.end);
      if (node?.opType === 'Reshape') {
        const sizes = this.#headSizes(node);
        return sizes && { from: node.input[0]!, split: node, ...sizes, perm: perm.join(), steps };
      }
      const turned = node?.opType === 'Transpose' ? attributeOf(node, 'perm')?.ints : undefined;
      if (node === undefined || turned?.length !== 4) return undefined;
      perm = perm.map((axis) => turned[axis]!);
      at = node.input[0]!;
    }
  }

  #headSizes({ input: [value = '', shape = ''] }: OnnxNodeProto): { heads: number; width: number } | undefined {
    const sizes = constantSizes(shape, this.#index);
    const [said, width] = sizes.slice(-2);
    if (sizes.length !== 4 || width === undefined || width < 1) return undefined;
    const heads = said === -1 ? (this.#biasWidth(value) ?? 0) / width : said;
    return heads !== undefined && heads >= 1 && Number.isInteger(heads) ? { heads, width } : undefined;
  }

  /** Of a value to which a vector is added. */
  #biasWidth(value: string): number | undefined {
    const producer = this.#index.producers.get(value);
    if (producer?.opType !== 'Add') return undefined;
    const vectors = producer.input.flatMap((name) => this.#index.constants.get(name) ?? []);
    return vectors.find(({ dims }) => dims.length === 1)?.dims[0];
  }

  /** The value that is scaled, and by what; nothing, where it is not. */
  #upThroughFactors(value: string): { readonly end: string; readonly steps: readonly Step[] } {
    const steps: Step[] = [];
    for (let end = value; ;) {
      const node = this.#index.producers.get(end);
      const input = node?.opType === 'Div' ? 1 : node?.opType === 'Mul' ? node.input.findIndex((name) => this.#index.isFree(name)) : -1;
      if (node === undefined || input < 0 || !this.#index.isFree(node.input[input]!)) return { end, steps };
      steps.push({ node, input });
      end = node.input[1 - input]!;
    }
  }

  /** The product of weights and values, behind what changes nothing where each row has a token: casts to the same type are not among it. */
  #weighted(weights: string): OnnxNodeProto | undefined {
    const takers = this.#index.takersOf(weights);
    const product = takers.find(({ node, input }) => node?.opType === 'MatMul' && input === 0);
    if (takers.length === 1) return product?.node;
    const [test, choice] = ['IsNaN', 'Where'].map((opType) => takers.find(({ node }) => node?.opType === opType)?.node);
    if (takers.length !== 2 || test === undefined || choice?.input[0] !== test.output[0] || choice?.input[2] !== weights) return undefined;
    return this.#weighted(choice.output[0]!);
  }

  #joined(context: string): OnnxNodeProto | undefined {
    const turned = this.#onlyTaker(context, 'Transpose');
    if (turned === undefined || attributeOf(turned, 'perm')?.ints?.join() !== BY_HEAD) return undefined;
    const join = this.#onlyTaker(turned.output[0]!, 'Reshape');
    return join !== undefined && constantSizes(join.input[1]!, this.#index).length === 3 ? join : undefined;
  }

  #onlyTaker(value: string, opType: string): OnnxNodeProto | undefined {
    const [taker, ...others] = this.#index.takersOf(value);
    return others.length === 0 && taker?.input === 0 && taker.node?.opType === opType ? taker.node : undefined;
  }
}
