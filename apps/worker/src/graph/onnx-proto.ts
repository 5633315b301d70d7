import protobuf from 'protobufjs/light.js';

const repeated = (type: string, id: number) => ({ id, type, rule: 'repeated' });

/** onnx.proto without training and sparse tensors; field numbers from https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. */
const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: { id: 1, type: 'int64' },
        producerName: { id: 2, type: 'string' },
        producerVersion: { id: 3, type: 'string' },
        domain: { id: 4, type: 'string' },
        modelVersion: { id: 5, type: 'int64' },
        docString: { id: 6, type: 'string' },
        graph: { id: 7, type: 'GraphProto' },
        opsetImport: repeated('OperatorSetIdProto', 8),
        metadataProps: repeated('StringStringEntryProto', 14),
        functions: repeated('NodeProto', 25),
      },
    },
    OperatorSetIdProto: { fields: { domain: { id: 1, type: 'string' }, version: { id: 2, type: 'int64' } } },
    StringStringEntryProto: { fields: { key: { id: 1, type: 'string' }, value: { id: 2, type: 'string' } } },
    GraphProto: {
      fields: {
        node: repeated('NodeProto', 1),
        name: { id: 2, type: 'string' },
        initializer: repeated('TensorProto', 5),
        docString: { id: 10, type: 'string' },
        input: repeated('ValueInfoProto', 11),
        output: repeated('ValueInfoProto', 12),
        valueInfo: repeated('ValueInfoProto', 13),
      },
    },
    NodeProto: {
      fields: {
        input: repeated('string', 1),
        output: repeated('string', 2),
        name: { id: 3, type: 'string' },
        opType: { id: 4, type: 'string' },
        attribute: repeated('AttributeProto', 5),
        docString: { id: 6, type: 'string' },
        domain: { id: 7, type: 'string' },
      },
    },
    AttributeProto: {
      fields: {
        name: { id: 1, type: 'string' },
        f: { id: 2, type: 'float' },
        i: { id: 3, type: 'int64' },
        s: { id: 4, type: 'bytes' },
        t: { id: 5, type: 'TensorProto' },
        g: { id: 6, type: 'GraphProto' },
        floats: repeated('float', 7),
        ints: repeated('int64', 8),
        strings: repeated('bytes', 9),
        type: { id: 20, type: 'int32' },
      },
    },
    TensorProto: {
      fields: {
        dims: repeated('int64', 1),
        dataType: { id: 2, type: 'int32' },
        floatData: repeated('float', 4),
        int32Data: repeated('int32', 5),
        int64Data: repeated('int64', 7),
        name: { id: 8, type: 'string' },
        rawData: { id: 9, type: 'bytes' },
        dataLocation: { id: 14, type: 'int32' },
      },
    },
    ValueInfoProto: { fields: { name: { id: 1, type: 'string' }, type: { id: 2, type: 'TypeProto' } } },
    TypeProto: { fields: { tensorType: { id: 1, type: 'TensorTypeProto' } } },
    TensorTypeProto: { fields: { elemType: { id: 1, type: 'int32' }, shape: { id: 2, type: 'TensorShapeProto' } } },
    TensorShapeProto: { fields: { dim: repeated('DimensionProto', 1) } },
    DimensionProto: { fields: { dimValue: { id: 1, type: 'int64' }, dimParam: { id: 2, type: 'string' } } },
  },
});
const modelType = root.lookupType('ModelProto');

/** `TensorProto.DataType`. */
export const ELEMENT = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10 } as const;
/** `AttributeProto.AttributeType`. */
export const ATTRIBUTE = { float: 1, int: 2, tensor: 4, graph: 5, ints: 7 } as const;

export interface OnnxTensor {
  dims: number[];
  dataType: number;
  name: string;
  rawData: Uint8Array;
  floatData: number[];
  int32Data: number[];
  int64Data?: number[];
  /** 1 where the values are in another file. */
  dataLocation: number;
}

export interface OnnxAttribute {
  name: string;
  type: number;
  i: number;
  f?: number;
  ints?: number[];
  t?: OnnxTensor | null;
  g?: OnnxGraphProto | null;
}

export interface OnnxNodeProto {
  input: string[];
  output: string[];
  name: string;
  opType: string;
  domain: string;
  attribute: OnnxAttribute[];
}

export interface OnnxValueInfo {
  name: string;
  type: { tensorType: { elemType: number; shape?: object } };
}

export interface OnnxGraphProto {
  name?: string;
  node: OnnxNodeProto[];
  initializer: OnnxTensor[];
  input: OnnxValueInfo[];
  output: OnnxValueInfo[];
  valueInfo: OnnxValueInfo[];
}

export interface OnnxModel {
  graph: OnnxGraphProto;
  functions: unknown[];
  producerName: string;
  opsetImport: { domain: string; version: number }[];
}

/** @throws if the bytes are no ONNX model, or one with functions of its own or with values in another file */
export function decodeOnnxModel(bytes: Uint8Array): OnnxModel {
  const model = modelType.toObject(modelType.decode(bytes), { longs: Number, defaults: true, arrays: true }) as Partial<OnnxModel>;
  const { graph, functions = [] } = model;
  if (graph === undefined || graph === null || graph.node.length === 0) throw new Error('This is no ONNX model.');
  if (functions.length > 0) throw new Error('Models with functions of their own are not known.');
  if (graph.initializer.some(({ dataLocation }) => dataLocation === 1))
    throw new Error('Models with their values in another file are not known.');
  return model as OnnxModel;
}

export function encodeOnnxModel(model: object): Uint8Array {
  return modelType.encode(modelType.fromObject(model)).finish();
}

export function tensor(name: string, dims: readonly number[], dataType: number, values: ArrayBufferView): OnnxTensor {
  const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dims: [...dims], dataType, rawData, floatData: [], int32Data: [], dataLocation: 0 };
}

/** Values of a tensor as numbers. `raw_data` is little-endian, as the typed arrays of every machine that runs this are. */
export function valuesOf({ name, dataType, rawData, floatData, int32Data }: OnnxTensor): Float32Array | Uint8Array | Int8Array {
  const bytes = Uint8Array.from(rawData);
  switch (dataType) {
    case ELEMENT.float:
      return bytes.length > 0 ? new Float32Array(bytes.buffer) : Float32Array.from(floatData);
    case ELEMENT.uint8:
      return bytes.length > 0 ? bytes : Uint8Array.from(int32Data);
    case ELEMENT.int8:
      return bytes.length > 0 ? new Int8Array(bytes.buffer) : Int8Array.from(int32Data);
    default:
      throw new Error(`The tensor ${name} has an element type (${dataType}) that is not known here.`);
  }
}
