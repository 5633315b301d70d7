import { ELEMENT, tensor, valuesOf, type OnnxGraphProto, type OnnxNodeProto, type OnnxTensor } from '@rerank-fleet/worker/graph/onnx-proto';

const QUANTIZED = /Quantize|Integer$|^QLinear/;

/**
 * Turns a graph of onnxruntime's dynamic quantization back into a plain float32 one, in place: `DynamicQuantizeLinear → MatMulInteger → Cast → Mul` becomes a
 * `MatMul` by the dequantized weights, and `Gather → DequantizeLinear` a `Gather` from the dequantized table. The weights are those of the quantized file; what
 * the original lost by rounding stays lost.
 *
 * @throws Error if something quantized is left
 */
export function dequantizeGraph(graph: OnnxGraphProto): void {
  const view = new GraphView(graph);
  for (const node of graph.node) {
    if (node.opType === 'MatMulInteger') dequantizeMatMul(node, view);
    else if (node.opType === 'DequantizeLinear') dequantizeTable(node, view);
  }
  graph.node = graph.node.flatMap((node) => view.replaced.get(node) ?? [node]);
  removeUnused(graph);
  const left = graph.node.find(({ opType }) => QUANTIZED.test(opType));
  if (left !== undefined) throw new Error(`The node ${left.name} (${left.opType}) is quantized in a way that is not known here.`);
}

class GraphView {
  readonly constants: Map<string, OnnxTensor>;
  readonly producers = new Map<string, OnnxNodeProto>();
  readonly consumers = new Map<string, OnnxNodeProto[]>();
  /** What stands in the place of a node. */
  readonly replaced = new Map<OnnxNodeProto, readonly OnnxNodeProto[]>();
  readonly #graph: OnnxGraphProto;

  constructor(graph: OnnxGraphProto) {
    this.#graph = graph;
    this.constants = new Map(graph.initializer.map((constant) => [constant.name, constant]));
    for (const node of graph.node) {
      for (const output of node.output) this.producers.set(output, node);
      for (const input of node.input) this.consumers.set(input, [...(this.consumers.get(input) ?? []), node]);
    }
  }

  /** Adds the float32 values of a quantized constant, once, and returns their name. */
  dequantized(name: string, scaleName: string, zeroPointName: string | undefined): string {
    const float = `${name.replace(/_quantized$/, '')}_float`;
    if (this.constants.has(float)) return float;
    const [quantized, scale] = [this.constants.get(name), this.constants.get(scaleName)];
    if (quantized === undefined || scale === undefined) throw new Error(`${name} is no constant, or its scale is none.`);
    const zeroPoint = zeroPointName === undefined ? undefined : this.constants.get(zeroPointName);
    const constant = tensor(float, quantized.dims, ELEMENT.float, dequantize(quantized, scale, zeroPoint));
    this.#graph.initializer.push(constant);
    this.constants.set(float, constant);
    return float;
  }

  /** The only node of this type that takes the value. */
  consumer(value: string, opType: string): OnnxNodeProto {
    const [found, ...others] = this.consumers.get(value) ?? [];
    if (found?.opType !== opType || others.length > 0) throw new Error(`${value} does not go to one ${opType} alone.`);
    return found;
  }
}

/** `(q − zero point) × scale`; scale and zero point are of the whole tensor or of each column (the last axis). */
function dequantize(quantized: OnnxTensor, scaleTensor: OnnxTensor, zeroPointTensor: OnnxTensor | undefined): Float32Array {
  const [from, scale] = [valuesOf(quantized), valuesOf(scaleTensor)];
  const zeroPoint = zeroPointTensor === undefined ? Uint8Array.of(0) : valuesOf(zeroPointTensor);
  const columns = quantized.dims.at(-1) ?? 1;
  if (![1, columns].includes(scale.length) || ![1, columns].includes(zeroPoint.length))
    throw new Error(`The scale of ${quantized.name} is neither of the whole nor of each column.`);
  const values = new Float32Array(from.length);
  for (let index = 0; index < values.length; index += 1) {
    const column = index % columns;
    values[index] = (from[index]! - zeroPoint[zeroPoint.length === 1 ? 0 : column]!) * scale[scale.length === 1 ? 0 : column]!;
  }
  return values;
}

function dequantizeMatMul(node: OnnxNodeProto, view: GraphView): void {
  const [activation = '', weight = '', , weightZeroPoint] = node.input;
  const quantizer = view.producers.get(activation);
  if (quantizer?.opType !== 'DynamicQuantizeLinear') throw new Error(`${node.name} does not take a dynamically quantized value.`);
  const cast = view.consumer(node.output[0]!, 'Cast');
  const rescale = view.consumer(cast.output[0]!, 'Mul');
  const scales = view.producers.get(rescale.input.find((input) => input !== cast.output[0]) ?? '');
  const weightScale = scales?.input.find((input) => view.constants.has(input));
  if (scales?.opType !== 'Mul' || weightScale === undefined) throw new Error(`The scale of ${node.name} is not where it should be.`);
  const product: OnnxNodeProto = {
    ...node,
    opType: 'MatMul',
    name: node.name.replace(/_quant$/, ''),
    input: [quantizer.input[0]!, view.dequantized(weight, weightScale, weightZeroPoint)],
    output: rescale.output,
    attribute: [],
  };
  for (const gone of [node, cast, scales]) view.replaced.set(gone, []);
  view.replaced.set(rescale, [product]);
}

/** The table is read before it is dequantized, row by row; the rows of the float table are the same. */
function dequantizeTable(node: OnnxNodeProto, view: GraphView): void {
  const [value = '', scale = '', zeroPoint] = node.input;
  const gather = view.producers.get(value);
  if (gather?.opType !== 'Gather') throw new Error(`${node.name} dequantizes something else than rows of a table.`);
  const [table = '', rows = ''] = gather.input;
  view.replaced.set(gather, [{ ...gather, input: [view.dequantized(table, scale, zeroPoint), rows], output: node.output }]);
  view.replaced.set(node, []);
}

/** Nodes of which nobody takes an output, and constants that nobody takes. */
function removeUnused(graph: OnnxGraphProto): void {
  const outputs = new Set(graph.output.map(({ name }) => name));
  for (let before = -1; before !== graph.node.length;) {
    before = graph.node.length;
    const taken = new Set([...outputs, ...graph.node.flatMap(takenBy)]);
    graph.node = graph.node.filter(({ output }) => output.some((name) => taken.has(name)));
  }
  const taken = new Set([...outputs, ...graph.node.flatMap(takenBy)]);
  graph.initializer = graph.initializer.filter(({ name }) => taken.has(name));
}

/** Bodies of loops and branches take values of the graph around them too. */
function takenBy({ input, attribute }: OnnxNodeProto): string[] {
  const bodies = attribute.flatMap(({ g }) =>
    g === null || g === undefined ? [] : [...g.node.flatMap(takenBy), ...g.output.map(({ name }) => name)],
  );
  return [...input, ...bodies];
}
