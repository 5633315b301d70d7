import { ATTRIBUTE, ELEMENT, encodeOnnxModel, tensor } from '@rerank-fleet/worker/graph/onnx-proto';

type Element = keyof typeof ELEMENT;
/** A number, or the name of a dimension that varies. */
export type Dimension = number | string;

export interface OnnxValue {
  readonly name: string;
  readonly element: Element;
  readonly shape: readonly Dimension[];
}

export interface OnnxConstant {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: Float32Array | BigInt64Array | Uint8Array | Int8Array;
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | readonly number[] | OnnxGraph>>;
}

export interface OnnxGraph {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly constants: readonly OnnxConstant[];
  readonly nodes: readonly OnnxNode[];
}

/** Bytes of a `.onnx` file: opset 17, IR version 8. */
export function encodeOnnx(graph: OnnxGraph): Uint8Array {
  return encodeOnnxModel({
    irVersion: 8,
    producerName: 'rerank-fleet tests',
    graph: graphMessage(graph),
    opsetImport: [{ domain: '', version: 17 }],
  });
}

function graphMessage({ inputs, outputs, constants, nodes }: OnnxGraph): object {
  return {
    name: 'tiny',
    input: inputs.map(valueMessage),
    output: outputs.map(valueMessage),
    initializer: constants.map(({ name, dims, values }) => tensor(name, dims, elementOf(values), values)),
    node: nodes.map(({ op, inputs: from, outputs: to, attributes }) => ({
      input: from,
      output: to,
      name: to[0],
      opType: op,
      attribute: Object.entries(attributes ?? {}).map(([name, value]) => attributeMessage(name, value)),
    })),
  };
}

function attributeMessage(name: string, value: number | readonly number[] | OnnxGraph): object {
  if (typeof value === 'number') return { name, i: value, type: ATTRIBUTE.int };
  return 'nodes' in value ? { name, g: graphMessage(value), type: ATTRIBUTE.graph } : { name, ints: value, type: ATTRIBUTE.ints };
}

function valueMessage({ name, element, shape }: OnnxValue): object {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: ELEMENT[element], shape: { dim } } } };
}

function elementOf(values: OnnxConstant['values']): number {
  if (values instanceof Float32Array) return ELEMENT.float;
  if (values instanceof BigInt64Array) return ELEMENT.int64;
  return values instanceof Uint8Array ? ELEMENT.uint8 : ELEMENT.int8;
}
