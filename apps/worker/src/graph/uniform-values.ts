import { attributeOf, integersOf, type GraphIndex } from './graph-index.js';
import { ELEMENT, valuesOf, type OnnxNodeProto, type OnnxTensor } from './onnx-proto.js';

/** What every element of a value is, where they are all the same. Truth is 0 or 1. */
export interface Uniform {
  readonly element: 'float' | 'integer' | 'boolean';
  readonly value: number;
}

/** Operations whose every output element is some element of the first input. */
const MOVES = new Set(['Identity', 'Unsqueeze', 'Squeeze', 'Expand', 'Reshape', 'Slice', 'Gather', 'Transpose', 'Flatten', 'Tile']);
const UNARY: Readonly<Record<string, (a: number) => number>> = { Sqrt: Math.sqrt, Neg: (a) => -a, Not: (a) => 1 - a };
const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  And: (a, b) => a * b,
  Or: (a, b) => Math.max(a, b),
};
const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  Equal: (a, b) => a === b,
  Less: (a, b) => a < b,
  LessOrEqual: (a, b) => a <= b,
  Greater: (a, b) => a > b,
  GreaterOrEqual: (a, b) => a >= b,
};
const CASTS = new Map<number | undefined, Uniform['element']>([
  [ELEMENT.float, 'float'],
  [ELEMENT.int32, 'integer'],
  [ELEMENT.int64, 'integer'],
  [ELEMENT.bool, 'boolean'],
]);
/** Constants are looked through up to this many elements; those of masks and scales are few. */
const MOST_ELEMENTS = 4096;

/**
 * What is known of values without running the graph: each that is the same number throughout, whatever the sizes of a batch. Float arithmetic rounds as the
 * runtime's does. Nothing is guessed: a node that is not known makes a value of which nothing is.
 */
export class UniformValues {
  readonly #index: GraphIndex;
  readonly #known: Map<string, Uniform | undefined>;

  /** @param given what is taken for granted: a mask that is 1 everywhere, the width of a head */
  constructor(index: GraphIndex, given: ReadonlyMap<string, Uniform> = new Map()) {
    this.#index = index;
    this.#known = new Map(given);
  }

  of(value: string): Uniform | undefined {
    if (!this.#known.has(value)) this.#known.set(value, this.#decide(value));
    return this.#known.get(value);
  }

  #decide(value: string): Uniform | undefined {
    const constant = this.#index.constants.get(value);
    if (constant !== undefined) return uniformConstant(constant);
    const node = this.#index.producers.get(value);
    return node === undefined ? undefined : this.#ofNode(node);
  }

  #ofNode(node: OnnxNodeProto): Uniform | undefined {
    const { opType, input } = node;
    if (opType === 'ConstantOfShape') return this.#filled(node);
    const first = this.of(input[0] ?? '');
    if (first === undefined) return undefined;
    if (MOVES.has(opType)) return first;
    if (opType === 'Cast') return cast(first, attributeOf(node, 'to')?.i);
    // The branch that is not taken may be anything.
    if (opType === 'Where') return this.of(input[first.value === 0 ? 2 : 1] ?? '');
    const unary = UNARY[opType];
    if (unary !== undefined) return rounded(first.element, unary(first.value));
    const second = this.of(input[1] ?? '');
    if (second === undefined || second.element !== first.element) return undefined;
    const compare = COMPARISONS[opType];
    if (compare !== undefined) return { element: 'boolean', value: compare(first.value, second.value) ? 1 : 0 };
    const binary = BINARY[opType];
    return binary === undefined ? undefined : rounded(first.element, binary(first.value, second.value));
  }

  #filled(node: OnnxNodeProto): Uniform | undefined {
    const tensor = attributeOf(node, 'value')?.t;
    return tensor === undefined || tensor === null ? { element: 'float', value: 0 } : uniformConstant(tensor);
  }
}

function rounded(element: Uniform['element'], value: number): Uniform {
  return { element, value: element === 'float' ? Math.fround(value) : Math.trunc(value) };
}

function cast({ value }: Uniform, to: number | undefined): Uniform | undefined {
  const element = CASTS.get(to);
  if (element === undefined) return undefined;
  return element === 'boolean' ? { element, value: value === 0 ? 0 : 1 } : rounded(element, value);
}

function uniformConstant(tensor: OnnxTensor): Uniform | undefined {
  const element = CASTS.get(tensor.dataType);
  if (element === undefined || tensor.dims.reduce((product, size) => product * size, 1) > MOST_ELEMENTS) return undefined;
  const values = numbersOf(tensor);
  const [value] = values ?? [];
  return value === undefined || values!.some((other) => other !== value) ? undefined : { element, value };
}

function numbersOf(tensor: OnnxTensor): readonly number[] | undefined {
  const { dataType, rawData, int32Data } = tensor;
  if (dataType === ELEMENT.float) return Array.from(valuesOf(tensor));
  if (dataType === ELEMENT.int64) return integersOf(tensor);
  if (dataType === ELEMENT.bool) return rawData.length > 0 ? Array.from(rawData) : int32Data;
  return rawData.length > 0 ? Array.from(new Int32Array(Uint8Array.from(rawData).buffer)) : int32Data;
}
