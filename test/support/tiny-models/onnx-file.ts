import protobuf from 'protobufjs/light.js';

/** The part of onnx.proto that the tiny graphs need; field numbers from https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. */
const schema = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: { id: 1, type: 'int64' },
        producerName: { id: 2, type: 'string' },
        graph: { id: 7, type: 'GraphProto' },
        opsetImport: { id: 8, type: 'OperatorSetIdProto', rule: 'repeated' },
      },
    },
    OperatorSetIdProto: { fields: { domain: { id: 1, type: 'string' }, version: { id: 2, type: 'int64' } } },
    GraphProto: {
      fields: {
        node: { id: 1, type: 'NodeProto', rule: 'repeated' },
        name: { id: 2, type: 'string' },
        initializer: { id: 5, type: 'TensorProto', rule: 'repeated' },
        input: { id: 11, type: 'ValueInfoProto', rule: 'repeated' },
        output: { id: 12, type: 'ValueInfoProto', rule: 'repeated' },
      },
    },
    NodeProto: {
      fields: {
        input: { id: 1, type: 'string', rule: 'repeated' },
        output: { id: 2, type: 'string', rule: 'repeated' },
        name: { id: 3, type: 'string' },
        opType: { id: 4, type: 'string' },
        attribute: { id: 5, type: 'AttributeProto', rule: 'repeated' },
      },
    },
    AttributeProto: {
      fields: {
        name: { id: 1, type: 'string' },
        i: { id: 3, type: 'int64' },
        g: { id: 6, type: 'GraphProto' },
        type: { id: 20, type: 'int32' },
      },
    },
    TensorProto: {
      fields: {
        dims: { id: 1, type: 'int64', rule: 'repeated' },
        dataType: { id: 2, type: 'int32' },
        name: { id: 8, type: 'string' },
        rawData: { id: 9, type: 'bytes' },
      },
    },
    ValueInfoProto: { fields: { name: { id: 1, type: 'string' }, type: { id: 2, type: 'TypeProto' } } },
    TypeProto: { fields: { tensorType: { id: 1, type: 'TensorTypeProto' } } },
    TensorTypeProto: { fields: { elemType: { id: 1, type: 'int32' }, shape: { id: 2, type: 'TensorShapeProto' } } },
    TensorShapeProto: { fields: { dim: { id: 1, type: 'DimensionProto', rule: 'repeated' } } },
    DimensionProto: { fields: { dimValue: { id: 1, type: 'int64' }, dimParam: { id: 2, type: 'string' } } },
  },
});

const ELEMENT = { float: 1, int64: 7, bool: 9 } as const;
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
  readonly values: Float32Array | BigInt64Array;
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | OnnxGraph>>;
}

export interface OnnxGraph {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly constants: readonly OnnxConstant[];
  readonly nodes: readonly OnnxNode[];
}

/** Bytes of a `.onnx` file: opset 17, IR version 8. */
export function encodeOnnx(graph: OnnxGraph): Uint8Array {
  const model = {
    irVersion: 8,
    producerName: 'rerank-fleet tests',
    graph: graphMessage(graph),
    opsetImport: [{ domain: '', version: 17 }],
  };
  return schema.lookupType('ModelProto').encode(model).finish();
}

function graphMessage({ inputs, outputs, constants, nodes }: OnnxGraph): object {
  return {
    name: 'tiny',
    input: inputs.map(valueMessage),
    output: outputs.map(valueMessage),
    initializer: constants.map(tensorMessage),
    node: nodes.map(({ op, inputs: from, outputs: to, attributes }) => ({
      input: from,
      output: to,
      name: to[0],
      opType: op,
      attribute: Object.entries(attributes ?? {}).map(([name, value]) =>
        typeof value === 'number' ? { name, i: value, type: 2 } : { name, g: graphMessage(value), type: 5 },
      ),
    })),
  };
}

function valueMessage({ name, element, shape }: OnnxValue): object {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: ELEMENT[element], shape: { dim } } } };
}

/** `raw_data` is little-endian, as the typed arrays of every machine that runs this are. */
function tensorMessage({ name, dims, values }: OnnxConstant): object {
  const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dims, dataType: values instanceof Float32Array ? ELEMENT.float : ELEMENT.int64, rawData };
}
