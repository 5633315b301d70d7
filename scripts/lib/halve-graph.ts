import {
  ATTRIBUTE,
  ELEMENT,
  tensor,
  valuesOf,
  type OnnxGraphProto,
  type OnnxNodeProto,
  type OnnxTensor,
} from '@rerank-fleet/worker/graph/onnx-proto';

const LARGEST = 65_504;
/** Smallest number above zero, a subnormal: an epsilon stays one. */
const SMALLEST = 2 ** -24;

/**
 * Turns a float32 graph into a float16 one, in place: constants, casts and everything between; the graph's own inputs and outputs keep their types. Constants
 * beyond the range are brought to its ends: a mask's −3.4e38 must not become −∞, which times zero is no number.
 */
export function halveGraph(graph: OnnxGraphProto): void {
  if (graph.input.some(({ type }) => type.tensorType.elemType === ELEMENT.float))
    throw new Error('Graphs with float inputs are not known here.');
  halveBody(graph);
  for (const { name, type } of graph.output) {
    if (type.tensorType.elemType !== ELEMENT.float) continue;
    const half = `${name}_half`;
    for (const node of graph.node) {
      node.input = node.input.map((input) => (input === name ? half : input));
      node.output = node.output.map((output) => (output === name ? half : output));
    }
    graph.node.push(castToFloat(half, name));
  }
}

function castToFloat(from: string, to: string): OnnxNodeProto {
  const attribute = { name: 'to', type: ATTRIBUTE.int, i: ELEMENT.float };
  return { opType: 'Cast', name: `${to}_cast`, domain: '', input: [from], output: [to], attribute: [attribute] };
}

function halveBody(graph: OnnxGraphProto): void {
  graph.valueInfo = [];
  graph.initializer = graph.initializer.map(halveTensor);
  for (const { opType, attribute: attributes } of graph.node) {
    for (const attribute of attributes) {
      if (opType === 'Cast' && attribute.name === 'to' && attribute.i === ELEMENT.float) attribute.i = ELEMENT.float16;
      if (attribute.t !== null && attribute.t !== undefined) attribute.t = halveTensor(attribute.t);
      if (attribute.g !== null && attribute.g !== undefined) halveInner(attribute.g);
    }
  }
}

/** The body of a loop or branch, whose own values pass to the graph around it. */
function halveInner(graph: OnnxGraphProto): void {
  halveBody(graph);
  for (const { type } of [...graph.input, ...graph.output])
    if (type.tensorType.elemType === ELEMENT.float) type.tensorType.elemType = ELEMENT.float16;
}

function halveTensor(given: OnnxTensor): OnnxTensor {
  if (given.dataType !== ELEMENT.float) return given;
  const values = Float16Array.from(valuesOf(given), (value) => {
    const bounded = Math.max(-LARGEST, Math.min(LARGEST, value));
    return bounded !== 0 && Math.abs(bounded) < SMALLEST ? Math.sign(bounded) * SMALLEST : bounded;
  });
  return tensor(given.name, given.dims, ELEMENT.float16, values);
}
