import { ELEMENT, type OnnxAttribute, type OnnxGraphProto, type OnnxNodeProto, type OnnxTensor } from './onnx-proto.js';

/** Says which tokens are padding: 1 for a token, 0 for padding. */
export const MASK_INPUT = 'attention_mask';

/** A place where a value is taken: an input of a node; -1 for what a loop's or branch's body takes of the graph around it, and for outputs of the graph. */
export interface Taker {
  readonly node: OnnxNodeProto | undefined;
  readonly input: number;
}

/** Operations on lists of sizes, and on numbers made of them. */
const ARITHMETIC = new Set([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Sqrt',
  'Pow',
  'Cast',
  'Identity',
  'Concat',
  'Unsqueeze',
  'Squeeze',
  'Gather',
  'Slice',
]);

/** Who makes and who takes each value of a graph. */
export class GraphIndex {
  readonly constants = new Map<string, OnnxTensor>();
  readonly producers = new Map<string, OnnxNodeProto>();
  readonly #takers = new Map<string, Taker[]>();
  readonly #free = new Map<string, boolean>();

  constructor(graph: OnnxGraphProto) {
    for (const constant of graph.initializer) this.constants.set(constant.name, constant);
    for (const node of graph.node) {
      const value = node.opType === 'Constant' ? attributeOf(node, 'value')?.t : undefined;
      if (value !== undefined && value !== null) this.constants.set(node.output[0]!, value);
      for (const output of node.output) this.producers.set(output, node);
      node.input.forEach((name, input) => this.#note(name, { node, input }));
      for (const name of takenByBodies(node.attribute)) this.#note(name, { node, input: -1 });
    }
    for (const { name } of graph.output) this.#note(name, { node: undefined, input: -1 });
  }

  takersOf(value: string): readonly Taker[] {
    return this.#takers.get(value) ?? [];
  }

  /** Whole numbers of a constant; undefined where it is none, or of another type. */
  integers(value: string): readonly number[] | undefined {
    const constant = this.constants.get(value);
    return constant === undefined ? undefined : integersOf(constant);
  }

  /**
   * Whether a value has no axis of tokens: constants, what is computed from sizes, the scale and the zero point of a dynamically quantized value. A table
   * that is cut to the length of the batch is not free.
   */
  isFree(value: string): boolean {
    const known = this.#free.get(value);
    if (known !== undefined) return known;
    const free = this.#decideFree(value);
    this.#free.set(value, free);
    return free;
  }

  #decideFree(value: string): boolean {
    if (value === '' || this.constants.has(value)) return true;
    const producer = this.producers.get(value);
    if (producer === undefined) return false;
    if (producer.opType === 'Shape') return true;
    if (producer.opType === 'DynamicQuantizeLinear') return producer.output.indexOf(value) > 0;
    return ARITHMETIC.has(producer.opType) && producer.input.every((input) => this.isFree(input) && this.#rankOf(input) <= 1);
  }

  /** Of a constant; what is computed counts as a list. */
  #rankOf(value: string): number {
    return this.constants.get(value)?.dims.length ?? 1;
  }

  #note(value: string, taker: Taker): void {
    const takers = this.#takers.get(value);
    if (takers === undefined) this.#takers.set(value, [taker]);
    else takers.push(taker);
  }
}

/** Whole numbers of a tensor of 64 bits; undefined where it is of another type. */
export function integersOf({ dataType, rawData, int64Data = [] }: OnnxTensor): readonly number[] | undefined {
  if (dataType !== ELEMENT.int64) return undefined;
  if (rawData.length === 0) return int64Data;
  const bytes = Uint8Array.from(rawData);
  return Array.from(new BigInt64Array(bytes.buffer), Number);
}

export function attributeOf({ attribute }: OnnxNodeProto, name: string): OnnxAttribute | undefined {
  return attribute.find((candidate) => candidate.name === name);
}

/** Values that a node takes; bodies of loops and branches take values of the graph around them too. */
export function takenBy({ input, attribute }: OnnxNodeProto): string[] {
  return [...input, ...takenByBodies(attribute)];
}

function takenByBodies(attributes: readonly OnnxAttribute[]): string[] {
  return attributes.flatMap(({ g }) =>
    g === null || g === undefined ? [] : [...g.node.flatMap(takenBy), ...g.output.map(({ name }) => name)],
  );
}
