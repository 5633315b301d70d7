import {
  ATTRIBUTE,
  ELEMENT,
  encodeOnnxModel,
  tensor,
  type OnnxAttribute,
  type OnnxNodeProto,
  type OnnxTensor,
} from '../graph/onnx-proto.js';
import { SCALARS } from './pair-features.js';

/** Names of what the graph takes and gives; shapes are those of `FeatureInputs`. */
export const FEATURE_INPUTS = {
  hidden: 'hidden',
  queryEnd: 'query_end',
  queryShare: 'query_share',
  passageShare: 'passage_share',
  queryBar: 'query_bar',
  passageBar: 'passage_bar',
  lengths: 'lengths',
} as const;
export const FEATURE_OUTPUT = 'features';

/** 17 takes the axes of `ReduceMax` as attributes, as all runtimes of the last years do. */
const OPSET = 17;
/** How sharply a token attends to what is like it. */
const SHARPNESS = 8;
const LEAST_NORM = 1e-6;

/**
 * A graph that makes the features of `pair-features.ts` of a batch's hidden state, float32 `[batch, sequence, width]` → `[batch, 1, features]`: matrix products, which the
 * runtime is good at.
 */
export function encodeFeatureGraph(width: number): Uint8Array {
  return new FeatureGraph(width).encode();
}

class FeatureGraph {
  readonly #width: number;
  readonly #nodes: OnnxNodeProto[] = [];
  readonly #constants: OnnxTensor[] = [];

  constructor(width: number) {
    this.#width = width;
  }

  encode(): Uint8Array {
    const { hidden, queryShare, passageShare, lengths } = FEATURE_INPUTS;
    const query = this.#add('Slice', [hidden, this.#ints('zero', [0]), FEATURE_INPUTS.queryEnd, this.#ints('tokens', [1])]);
    const first = this.#add('Slice', [hidden, this.#ints('zero', [0]), this.#ints('one', [1]), this.#ints('tokens', [1])]);
    const queryMean = this.#add('MatMul', [queryShare, query]);
    const passageMean = this.#add('MatMul', [passageShare, hidden]);
    const product = this.#add('Mul', [queryMean, passageMean]);
    const cosines = this.#cosines(query, passageMean);
    const best = this.#add('ReduceMax', [this.#add('Add', [cosines, FEATURE_INPUTS.passageBar])], axis(2));
    const features = [
      ...[first, queryMean, passageMean, product, this.#matched(cosines), this.#unmatched(query, best)],
      ...this.#figures(cosines, best),
      lengths,
    ];
    this.#add('Concat', features, [whole('axis', 2)], FEATURE_OUTPUT);
    return this.#model();
  }

  /** `[batch, query, sequence]`, of what is left of tokens when the passage's mean is taken out. */
  #cosines(query: string, passageMean: string): string {
    const [asked, found] = [query, FEATURE_INPUTS.hidden].map((tokens) => this.#add('Sub', [tokens, passageMean]));
    const least = this.#floats('least_norm', LEAST_NORM);
    const [askedNorm, foundNorm] = [asked!, found!].map((tokens) => this.#add('Max', [this.#add('ReduceL2', [tokens], axis(2)), least]));
    const products = this.#add('MatMul', [asked!, this.#turned(found!)]);
    return this.#add('Div', [this.#add('Div', [products, askedNorm!]), this.#turned(foundNorm!)]);
  }

  #matched(cosines: string): string {
    const sharp = this.#add('Mul', [this.#add('Add', [cosines, FEATURE_INPUTS.passageBar]), this.#floats('sharpness', SHARPNESS)]);
    const attention = this.#add('Softmax', [sharp], [whole('axis', 2)]);
    return this.#add('MatMul', [this.#add('MatMul', [FEATURE_INPUTS.queryShare, attention]), FEATURE_INPUTS.hidden]);
  }

  #unmatched(query: string, best: string): string {
    const sharp = this.#add('Mul', [best, this.#floats('missing', -SHARPNESS)]);
    const share = this.#add('Softmax', [this.#add('Add', [sharp, FEATURE_INPUTS.queryBar])], [whole('axis', 1)]);
    return this.#add('MatMul', [this.#turned(share), query]);
  }

  /** Six numbers, each `[batch, 1, 1]`. */
  #figures(cosines: string, best: string): string[] {
    const { queryShare, passageShare, queryBar } = FEATURE_INPUTS;
    const covered = this.#turned(this.#add('ReduceMax', [this.#add('Add', [cosines, queryBar])], axis(1)));
    const mean = (share: string, values: string): string => this.#add('MatMul', [share, values]);
    const squares = (values: string): string => this.#add('Mul', [values, values]);
    return [
      mean(queryShare, best),
      this.#add('ReduceMin', [this.#add('Sub', [best, queryBar])], axis(1)),
      this.#add('ReduceMax', [this.#add('Add', [best, queryBar])], axis(1)),
      mean(queryShare, squares(best)),
      mean(passageShare, covered),
      mean(passageShare, squares(covered)),
    ];
  }

  /** The last two axes in each other's place. */
  #turned(values: string): string {
    return this.#add('Transpose', [values], [many('perm', [0, 2, 1])]);
  }

  #add(opType: string, input: string[], attribute: OnnxAttribute[] = [], output = `v${this.#nodes.length}`): string {
    this.#nodes.push({ opType, name: output, domain: '', input, output: [output], attribute });
    return output;
  }

  #ints(name: string, values: readonly number[]): string {
    return this.#constant(tensor(name, [values.length], ELEMENT.int64, BigInt64Array.from(values, BigInt)));
  }

  #floats(name: string, value: number): string {
    return this.#constant(tensor(name, [], ELEMENT.float, Float32Array.of(value)));
  }

  #constant(value: OnnxTensor): string {
    if (!this.#constants.some(({ name }) => name === value.name)) this.#constants.push(value);
    return value.name;
  }

  #model(): Uint8Array {
    const width = this.#width;
    const input = [
      info(FEATURE_INPUTS.hidden, ELEMENT.float, ['batch', 'sequence', width]),
      info(FEATURE_INPUTS.queryEnd, ELEMENT.int64, [1]),
      info(FEATURE_INPUTS.queryShare, ELEMENT.float, ['batch', 1, 'query']),
      info(FEATURE_INPUTS.passageShare, ELEMENT.float, ['batch', 1, 'sequence']),
      info(FEATURE_INPUTS.queryBar, ELEMENT.float, ['batch', 'query', 1]),
      info(FEATURE_INPUTS.passageBar, ELEMENT.float, ['batch', 1, 'sequence']),
      info(FEATURE_INPUTS.lengths, ELEMENT.float, ['batch', 1, 2]),
    ];
    const output = [info(FEATURE_OUTPUT, ELEMENT.float, ['batch', 1, 6 * width + SCALARS])];
    const graph = { node: this.#nodes, name: 'features', initializer: this.#constants, input, output, valueInfo: [] };
    return encodeOnnxModel({ irVersion: 8, producerName: 'rerank-fleet', opsetImport: [{ domain: '', version: OPSET }], graph });
  }
}

const whole = (name: string, i: number): OnnxAttribute => ({ name, type: ATTRIBUTE.int, i });
const many = (name: string, ints: number[]): OnnxAttribute => ({ name, type: ATTRIBUTE.ints, i: 0, ints });
/** Of a reduction, which leaves 1 in the axis' place. */
const axis = (number: number): OnnxAttribute[] => [many('axes', [number])];

function info(name: string, elemType: number, sizes: readonly (string | number)[]): object {
  const dim = sizes.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
