import { attributeOf, type GraphIndex } from './graph-index.js';
import type { OnnxNodeProto } from './onnx-proto.js';

/** Where a value has its tokens: `[batch, tokens, width]`, `[batch, tokens, heads, width]` or `[batch, heads, tokens, …]`. */
export interface Layout {
  readonly rank: 3 | 4;
  readonly axis: 1 | 2;
}

export interface Narrowing {
  /** Inputs that have tokens of their own, and where: the node computes one token of its output from one token of these. */
  readonly inputs: readonly { readonly input: number; readonly layout: Layout }[];
  /** What has to become of a `Reshape`. */
  readonly shape?: readonly number[];
}

const WIDE: Layout = { rank: 3, axis: 1 };
const BY_TOKEN: Layout = { rank: 4, axis: 1 };
const BY_HEAD: Layout = { rank: 4, axis: 2 };

const ELEMENTWISE = new Set(
  (
    'Add Sub Mul Div Pow Sqrt Erf Exp Neg Abs Tanh Sigmoid Relu Gelu Cast Identity Where IsNaN Not And Or Equal Less Greater Min Max Clip ' +
    'QuantizeLinear DequantizeLinear DynamicQuantizeLinear FastGelu BiasGelu QuickGelu SkipLayerNormalization SkipSimplifiedLayerNormalization'
  ).split(' '),
);
/** Over the last axis, by an attribute `axis`; all inputs but the first are constants. */
const NORMALIZING = new Set(['Softmax', 'LayerNormalization', 'SimplifiedLayerNormalization', 'RMSNormalization']);
/** Row by row with constants. */
const PRODUCTS = new Set(['MatMul', 'MatMulInteger', 'MatMulIntegerToFloat', 'DynamicQuantizeMatMul', 'MatMulNBits']);

export const isProduct = ({ opType }: OnnxNodeProto): boolean => PRODUCTS.has(opType);

/** How a node whose output has this layout can be computed for the first token alone; undefined where that is not known. */
export function narrowingOf(node: OnnxNodeProto, layout: Layout, index: GraphIndex): Narrowing | undefined {
  const { opType } = node;
  if (ELEMENTWISE.has(opType)) return elementwise(node, layout, index);
  if (NORMALIZING.has(opType)) return isLastAxis(attributeOf(node, 'axis')?.i, layout) ? byFirst(node, layout, index) : undefined;
  if (opType === 'ReduceMean') return reducing(node, layout, index);
  if (isProduct(node)) return layout.axis === 2 && opType === 'MatMul' ? attending(node) : byFirst(node, layout, index);
  if (opType === 'Transpose') return transposing(node, layout);
  return opType === 'Reshape' ? reshaping(node, layout, index) : undefined;
}

/** Whether a `Shape` of a value is asked for its tokens' size; the others do not change with it. */
export function readsTokens(shape: OnnxNodeProto, { rank, axis }: Layout, index: GraphIndex): boolean {
  if (shape.attribute.length > 0) return true;
  const at = (position: number): number => (position < 0 ? position + rank : Math.min(position, rank));
  return index.takersOf(shape.output[0]!).some(({ node }) => {
    const [first] = index.integers(node?.input[1] ?? '') ?? [];
    if (node === undefined || first === undefined) return true;
    if (node.opType === 'Gather') return at(first) === axis;
    const [end] = index.integers(node.input[2] ?? '') ?? [];
    if (node.opType !== 'Slice' || node.input.length > 4 || end === undefined) return true;
    return at(first) <= axis && axis < at(end);
  });
}

function elementwise(node: OnnxNodeProto, layout: Layout, index: GraphIndex): Narrowing | undefined {
  const used = node.output.filter((name) => index.takersOf(name).length > 0);
  if (used.length > 1 && node.opType !== 'DynamicQuantizeLinear') return undefined;
  const constants = node.input.flatMap((name) => index.constants.get(name) ?? []);
  if (constants.some(({ dims }) => (dims[dims.length - layout.rank + layout.axis] ?? 1) !== 1)) return undefined;
  return { inputs: node.input.flatMap((name, input) => (index.isFree(name) ? [] : [{ input, layout }])) };
}

function byFirst(node: OnnxNodeProto, layout: Layout, index: GraphIndex): Narrowing | undefined {
  return node.input.slice(1).every((name) => index.isFree(name)) ? { inputs: [{ input: 0, layout }] } : undefined;
}

/** Scores of queries with all keys, or weights with all values: the rows of the first operand are of the query's tokens. */
const attending = ({ input }: OnnxNodeProto): Narrowing | undefined =>
  input.length === 2 ? { inputs: [{ input: 0, layout: BY_HEAD }] } : undefined;

function reducing(node: OnnxNodeProto, layout: Layout, index: GraphIndex): Narrowing | undefined {
  const axes = attributeOf(node, 'axes')?.ints ?? index.integers(node.input[1] ?? '') ?? [];
  const keeps = attributeOf(node, 'keepdims')?.i ?? 1;
  return axes.length === 1 && isLastAxis(axes[0], layout) && keeps === 1 ? { inputs: [{ input: 0, layout }] } : undefined;
}

function transposing(node: OnnxNodeProto, layout: Layout): Narrowing | undefined {
  const swaps = attributeOf(node, 'perm')?.ints?.join() === '0,2,1,3';
  if (!swaps || layout.rank !== 4) return undefined;
  return { inputs: [{ input: 0, layout: layout.axis === 1 ? BY_HEAD : BY_TOKEN }] };
}

/** Between `[batch, tokens, width]` and `[batch, tokens, heads, width]`. Zero copies a size. */
function reshaping(node: OnnxNodeProto, { rank, axis }: Layout, index: GraphIndex): Narrowing | undefined {
  if (axis !== 1) return undefined;
  if (rank === 3) return { inputs: [{ input: 0, layout: BY_TOKEN }], shape: [0, 0, -1] };
  const [heads, width] = constantSizes(node.input[1] ?? '', index).slice(-2);
  // How many heads there are may be left to be found out.
  if (heads === undefined || width === undefined || width < 1 || (heads < 1 && heads !== -1)) return undefined;
  return { inputs: [{ input: 0, layout: WIDE }], shape: [0, 0, heads, width] };
}

/** Entries of a list of sizes; undefined for those that are computed. */
export function constantSizes(name: string, index: GraphIndex): (number | undefined)[] {
  const known = index.integers(name);
  if (known !== undefined) return [...known];
  const producer = index.producers.get(name);
  if (producer?.opType !== 'Concat') return [];
  return producer.input.flatMap((part): readonly (number | undefined)[] => index.integers(part) ?? [undefined]);
}

const isLastAxis = (axis: number | undefined, { rank }: Layout): boolean => axis === -1 || axis === rank - 1;
