import { describe, expect, it } from 'vitest';
import { GraphIndex, MASK_INPUT } from './graph-index.js';
import { ATTRIBUTE, ELEMENT, tensor, type OnnxAttribute, type OnnxGraphProto, type OnnxNodeProto, type OnnxTensor } from './onnx-proto.js';
import { UniformValues, type Uniform } from './uniform-values.js';

const float = (name: string, ...values: number[]): OnnxTensor => tensor(name, [values.length], ELEMENT.float, Float32Array.from(values));
const integer = (name: string, ...values: number[]): OnnxTensor =>
  tensor(name, [values.length], ELEMENT.int64, BigInt64Array.from(values, BigInt));
const node = (opType: string, input: string[], output: string, attribute: OnnxAttribute[] = []): OnnxNodeProto => ({
  opType,
  name: output,
  domain: '',
  input,
  output: [output],
  attribute,
});
const to = (type: number): OnnxAttribute[] => [{ name: 'to', type: ATTRIBUTE.int, i: type }];

/** What is known of `result` where the mask is 1 everywhere. */
function known(nodes: OnnxNodeProto[], constants: OnnxTensor[] = []): Uniform | undefined {
  const graph: OnnxGraphProto = { node: nodes, initializer: constants, input: [], output: [], valueInfo: [] };
  return new UniformValues(new GraphIndex(graph), new Map([[MASK_INPUT, { element: 'integer', value: 1 }]])).of('result');
}

describe('UniformValues', () => {
  it('knows a mask that adds nothing where every token is one, however it is moved about', () => {
    const nodes = [
      node('Unsqueeze', [MASK_INPUT, 'axes'], 'wide'),
      node('Expand', ['wide', 'computed'], 'shaped'),
      node('Cast', ['shaped'], 'present', to(ELEMENT.float)),
      node('Sub', ['one', 'present'], 'absent'),
      node('Cast', ['absent'], 'is_absent', to(ELEMENT.bool)),
      node('Where', ['is_absent', 'least', 'absent'], 'result'),
    ];
    expect(known(nodes, [float('one', 1), float('least', -3.4e38), integer('axes', 1, 2)])).toEqual({ element: 'float', value: 0 });
  });

  it('looks at the branch alone that is taken', () => {
    const choice = [node('Equal', [MASK_INPUT, 'one'], 'test'), node('Where', ['test', 'five', 'unheard_of'], 'result')];
    expect(known(choice, [integer('one', 1), float('five', 5)])).toEqual({ element: 'float', value: 5 });
    choice[1]!.input = ['test', 'unheard_of', 'five'];
    expect(known(choice, [integer('one', 1), float('five', 5)])).toBeUndefined();
  });

  it('rounds as floats of 32 bits do, and divides whole numbers to whole numbers', () => {
    expect(known([node('Sqrt', ['a'], 'result')], [float('a', 2)])).toEqual({ element: 'float', value: Math.fround(Math.SQRT2) });
    expect(known([node('Div', ['a', 'b'], 'result')], [integer('a', 7), integer('b', 2)])).toEqual({ element: 'integer', value: 3 });
  });

  it('takes a mask of infinities for what it becomes: no number', () => {
    const nodes = [
      node('Cast', [MASK_INPUT], 'present', to(ELEMENT.float)),
      node('Sub', ['one', 'present'], 'absent'),
      node('Mul', ['absent', 'least'], 'result'),
    ];
    expect(known(nodes, [float('one', 1), float('least', -Infinity)])).toEqual({ element: 'float', value: Number.NaN });
  });

  it.each([
    ['constants that differ', [node('Add', ['some', 'some'], 'result')], [float('some', 0, 1)]],
    ['inputs of the graph', [node('Identity', ['input_ids'], 'result')], []],
    ['nodes that are not known', [node('CumSum', [MASK_INPUT, 'axis'], 'result')], [integer('axis', 1)]],
    ['numbers of different types', [node('Add', [MASK_INPUT, 'some'], 'result')], [float('some', 1)]],
    ['casts to other types', [node('Cast', [MASK_INPUT], 'result', to(ELEMENT.float16))], []],
  ])('knows nothing of %s', (_what, nodes, constants) => {
    expect(known(nodes, constants)).toBeUndefined();
  });
});
