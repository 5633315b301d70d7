import type { OnnxConstant, OnnxNode } from './onnx-file.js';
import { randomWeights } from './random-weights.js';

/** Nodes and constants of a random graph, in the order in which they are asked for: the same requests give the same bytes. */
export class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxConstant[] = [];
  /** Names of matrices that quantization takes. */
  readonly weights: string[] = [];
  readonly #random: ReturnType<typeof randomWeights>;

  constructor(seed = 1) {
    this.#random = randomWeights(seed);
  }

  node(op: string, inputs: readonly string[], output: string, attributes?: NonNullable<OnnxNode['attributes']>): string {
    this.nodes.push({ op, inputs, outputs: [output], ...(attributes === undefined ? {} : { attributes }) });
    return output;
  }

  /** Halves along the last axis. */
  halves(value: string, outputs: readonly [string, string]): readonly [string, string] {
    this.nodes.push({ op: 'Split', inputs: [value], outputs, attributes: { axis: -1 } });
    return outputs;
  }

  gather(table: string, rows: string, axis: number, output: string): string {
    return this.node('Gather', [table, rows], output, { axis });
  }

  /** One size of a value, as a list of one. */
  sizeOf(value: string, axis: number, name: string): string {
    const id = `${name}_${this.nodes.length}`;
    const size = this.gather(this.node('Shape', [value], `${id}_all`), this.scalar(axis), 0, `${id}_one`);
    return this.node('Unsqueeze', [size, this.list([0])], `${id}_size`);
  }

  product(value: string, name: string, [from, to]: readonly [number, number]): string {
    const weight = `${name}_matrix`;
    this.weights.push(weight);
    this.constants.push({ name: weight, dims: [from, to], values: this.#random(from * to, 2 / Math.sqrt(from)) });
    return this.node('MatMul', [value, weight], `${name}_product`);
  }

  linear(value: string, name: string, sizes: readonly [from: number, to: number]): string {
    const product = this.product(value, name, sizes);
    const bias = `${name}_offset`;
    this.constants.push({ name: bias, dims: [sizes[1]], values: this.#random(sizes[1], 0.5) });
    return this.node('Add', [bias, product], name);
  }

  table(name: string, rows: number, width: number): string {
    this.constants.push({ name, dims: [rows, width], values: this.#random(rows * width, 1) });
    return name;
  }

  vector(name: string, centre: number, width: number): string {
    this.constants.push({ name, dims: [width], values: this.#random(width, 0.5).map((value) => value + centre) });
    return name;
  }

  constant(name: string, dims: readonly number[], values: OnnxConstant['values']): string {
    if (!this.constants.some((constant) => constant.name === name)) this.constants.push({ name, dims, values });
    return name;
  }

  list(values: readonly number[]): string {
    return this.constant(`list_${values.join('_')}`, [values.length], BigInt64Array.from(values, BigInt));
  }

  scalar(value: number): string {
    return this.constant(`scalar_${value}`, [], BigInt64Array.of(BigInt(value)));
  }

  float(value: number): string {
    return this.constant(`float_${value}`, [], Float32Array.of(value));
  }
}
