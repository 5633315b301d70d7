import type { OnnxConstant, OnnxGraph, OnnxNode } from './onnx-file.js';

/**
 * What onnxruntime's dynamic quantization makes of a graph: each `Gather` from one of the tables reads bytes and dequantizes the rows, each `MatMul` by one of
 * the weights is `DynamicQuantizeLinear → MatMulInteger → Cast → Mul`. One activation scale holds for the whole batch, so a score depends on its batch mates.
 */
export function quantizeGraph(
  graph: OnnxGraph,
  { tables, weights }: { readonly tables: readonly string[]; readonly weights: readonly string[] },
): OnnxGraph {
  const quantizers = new Set<string>();
  return {
    ...graph,
    constants: graph.constants.flatMap((constant) =>
      tables.includes(constant.name) ? quantizedTable(constant) : weights.includes(constant.name) ? quantizedWeights(constant) : [constant],
    ),
    nodes: graph.nodes.flatMap((node) => {
      const [first = '', second = ''] = node.inputs;
      if (node.op === 'Gather' && tables.includes(first)) return quantizedGather(node, first);
      return node.op === 'MatMul' && weights.includes(second) ? quantizedProduct(node, first, second, quantizers) : [node];
    }),
  };
}

function floats({ name, values }: OnnxConstant): Float32Array {
  if (values instanceof Float32Array) return values;
  throw new TypeError(`${name} holds no floats.`);
}

/** Bytes with a zero point, one scale for the table. */
function quantizedTable(constant: OnnxConstant): OnnxConstant[] {
  const values = floats(constant);
  const least = values.reduce((low, value) => Math.min(low, value), 0);
  const scale = (values.reduce((high, value) => Math.max(high, value), 0) - least) / 255;
  const zeroPoint = Math.round(-least / scale);
  const bytes = Uint8Array.from(values, (value) => Math.max(0, Math.min(255, Math.round(value / scale) + zeroPoint)));
  return [
    { name: `${constant.name}_quantized`, dims: constant.dims, values: bytes },
    { name: `${constant.name}_scale`, dims: [], values: Float32Array.of(scale) },
    { name: `${constant.name}_zero_point`, dims: [], values: Uint8Array.of(zeroPoint) },
  ];
}

/** Signed bytes, a scale for each column. */
function quantizedWeights(constant: OnnxConstant): OnnxConstant[] {
  const values = floats(constant);
  const columns = constant.dims.at(-1) ?? 1;
  const scales = new Float32Array(columns);
  values.forEach((value, index) => (scales[index % columns] = Math.max(scales[index % columns]!, Math.abs(value) / 127)));
  return [
    {
      name: `${constant.name}_quantized`,
      dims: constant.dims,
      values: Int8Array.from(values, (value, index) => Math.round(value / scales[index % columns]!)),
    },
    { name: `${constant.name}_scale`, dims: [columns], values: scales },
    { name: `${constant.name}_zero_point`, dims: [columns], values: new Int8Array(columns) },
  ];
}

function quantizedGather(node: OnnxNode, table: string): OnnxNode[] {
  const rows = `${node.outputs[0]!}_quantized`;
  return [
    { ...node, inputs: [`${table}_quantized`, ...node.inputs.slice(1)], outputs: [rows] },
    { op: 'DequantizeLinear', inputs: [rows, `${table}_scale`, `${table}_zero_point`], outputs: node.outputs },
  ];
}

/** Products of the same value share its quantizer. */
function quantizedProduct(node: OnnxNode, value: string, weight: string, quantizers: Set<string>): OnnxNode[] {
  const output = node.outputs[0]!;
  const [bytes, scale, zeroPoint] = [`${value}_quantized`, `${value}_scale`, `${value}_zero_point`];
  const known = quantizers.has(value);
  quantizers.add(value);
  return [
    ...(known ? [] : [{ op: 'DynamicQuantizeLinear', inputs: [value], outputs: [bytes, scale, zeroPoint] }]),
    { op: 'Mul', inputs: [scale, `${weight}_scale`], outputs: [`${output}_scales`] },
    { op: 'MatMulInteger', inputs: [bytes, `${weight}_quantized`, zeroPoint, `${weight}_zero_point`], outputs: [`${output}_quantized`] },
    { op: 'Cast', inputs: [`${output}_quantized`], outputs: [`${output}_cast`], attributes: { to: 1 } },
    { op: 'Mul', inputs: [`${output}_cast`, `${output}_scales`], outputs: node.outputs },
  ];
}
