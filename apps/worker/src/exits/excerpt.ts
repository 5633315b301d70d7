import { fuseAttention } from '../graph/fuse-attention.js';
import { MASK_INPUT, takenBy, type GraphIndex } from '../graph/graph-index.js';
import { ATTRIBUTE, ELEMENT, encodeOnnxModel, type OnnxModel, type OnnxNodeProto, type OnnxValueInfo } from '../graph/onnx-proto.js';
import type { ContentPath } from './content-path.js';
import { isHidden, type HiddenType } from './hidden-shape.js';
import { Refusal } from './refusal.js';
import { HIDDEN_INPUT, HIDDEN_OUTPUT } from './segment-set.js';

/** A model's graph with what is known of it. */
export interface CutGraph {
  readonly model: OnnxModel;
  readonly index: GraphIndex;
  readonly path: ContentPath;
  /** Of the graph, without constants. */
  readonly inputs: ReadonlyMap<string, OnnxValueInfo>;
  /** Name of the logits. */
  readonly output: string;
  readonly hidden: HiddenType;
  /** Whether attention becomes one node where a batch has no padding. */
  readonly fusesAttention: boolean;
}

/** Values that a segment lies between; undefined for the beginning and the end of the model. */
export interface Between {
  readonly start: string | undefined;
  readonly end: string | undefined;
}

export interface EncodedExcerpt {
  readonly bytes: Uint8Array;
  readonly inputs: readonly string[];
  readonly output: string;
}

/**
 * The nodes that make one boundary from another, as a model of its own. What depends on the mask and on sizes alone comes along.
 *
 * @throws Refusal where something from before the first boundary is needed
 */
export function encodeExcerpt(graph: CutGraph, between: Between): EncodedExcerpt {
  return new Excerpt(graph, between).encode();
}

class Excerpt {
  readonly #graph: CutGraph;
  readonly #between: Between;
  readonly #nodes = new Set<OnnxNodeProto>();
  /** Names of the graph's inputs and constants that the nodes take. */
  readonly #taken = new Set<string>();
  /** Nodes that ask another value for its sizes now. */
  readonly #asked = new Map<OnnxNodeProto, string>();

  constructor(graph: CutGraph, between: Between) {
    this.#graph = graph;
    this.#between = between;
    const open = [between.end ?? graph.output];
    for (let value = open.pop(); value !== undefined; value = open.pop()) open.push(...this.#needs(value));
  }

  encode(): EncodedExcerpt {
    const { model, inputs, output, fusesAttention } = this.#graph;
    const { graph } = model;
    const { start, end } = this.#between;
    const made = new Set([...this.#nodes].flatMap((node) => node.output));
    const given = [...inputs.values()].filter(({ name }) => this.#taken.has(name));
    const input = start === undefined ? given : [this.#hiddenInfo(HIDDEN_INPUT, start), ...given];
    const excerpt = {
      ...graph,
      node: this.#casted(graph.node.filter((node) => this.#nodes.has(node)).map((node) => this.#renamed(node))),
      initializer: graph.initializer.filter(({ name }) => this.#taken.has(name)),
      input,
      output: end === undefined ? graph.output : [this.#hiddenInfo(HIDDEN_OUTPUT, end)],
      // The runtime fuses what it knows to have the same shape: what the file says of shapes decides on the arithmetic.
      valueInfo: graph.valueInfo.filter(({ name }) => made.has(name) && name !== end),
    };
    const segment = { ...model, graph: excerpt, producerName: 'rerank-fleet segment' };
    if (fusesAttention) fuseAttention(segment);
    const bytes = encodeOnnxModel(segment);
    return { bytes, inputs: input.map(({ name }) => name), output: end === undefined ? output : HIDDEN_OUTPUT };
  }

  /** Takes the value in, and says what it is made of. */
  #needs(value: string): readonly string[] {
    if (value === '' || value === this.#between.start) return [];
    const producer = this.#graph.index.producers.get(value);
    if (producer === undefined) return this.#takeGiven(value);
    if (this.#nodes.has(producer)) return [];
    this.#nodes.add(producer);
    const sizes = this.#sizesFor(producer);
    if (sizes === undefined) return takenBy(producer);
    this.#asked.set(producer, sizes);
    return [sizes];
  }

  #takeGiven(value: string): readonly string[] {
    const { path, inputs } = this.#graph;
    if (this.#between.start !== undefined && inputs.has(value) && path.isContent(value))
      throw new Refusal(`A layer behind the cut takes the input ${value}.`);
    this.#taken.add(value);
    return [];
  }

  /** Where a `Shape` of a value from before the boundary finds the same sizes behind it; undefined where it can ask as before. */
  #sizesFor({ opType, input: [value = ''] }: OnnxNodeProto): string | undefined {
    const { path, index, inputs, hidden } = this.#graph;
    const { start } = this.#between;
    if (opType !== 'Shape' || start === undefined || !path.isBefore(value, start)) return undefined;
    if (inputs.has(value)) return MASK_INPUT;
    if (isHidden(value, hidden.width, index, inputs)) return start;
    throw new Refusal(`A layer behind the cut takes the sizes of ${value}, which is made before it.`);
  }

  #renamed(node: OnnxNodeProto): OnnxNodeProto {
    const asked = this.#asked.get(node);
    const input = asked === undefined ? node.input : [asked, ...node.input.slice(1)];
    const { start, end } = this.#between;
    const boundaries = [start, end].filter((value) => value !== undefined);
    if (takenBy(node).some((name) => boundaries.includes(name) && !node.input.includes(name)))
      throw new Refusal('The body of a loop or branch takes the hidden state between the layers.');
    const named = (name: string): string => (name === start ? this.#inner(HIDDEN_INPUT) : name === end ? this.#inner(HIDDEN_OUTPUT) : name);
    return { ...node, input: input.map(named), output: node.output.map(named) };
  }

  /** Name by which the nodes know what the runtime is given, or gives. */
  #inner(name: string): string {
    return this.#graph.hidden.element === 'float16' ? `${name}_half` : name;
  }

  /** onnxruntime-node cannot be fed half floats on a Node that has a class for them; there and back through single ones nothing is lost. */
  #casted(nodes: readonly OnnxNodeProto[]): OnnxNodeProto[] {
    const { start, end } = this.#between;
    if (this.#graph.hidden.element === 'float') return [...nodes];
    return [
      ...(start === undefined ? [] : [castNode(HIDDEN_INPUT, this.#inner(HIDDEN_INPUT), ELEMENT.float16)]),
      ...nodes,
      ...(end === undefined ? [] : [castNode(this.#inner(HIDDEN_OUTPUT), HIDDEN_OUTPUT, ELEMENT.float)]),
    ];
  }

  #hiddenInfo(name: string, value: string): OnnxValueInfo {
    const { element, width } = this.#graph.hidden;
    const said = this.#graph.model.graph.valueInfo.find((info) => info.name === value);
    if (said !== undefined && element === 'float') return { ...said, name };
    const dim = [{ dimParam: 'batch' }, { dimParam: 'sequence' }, { dimValue: width }];
    return { name, type: { tensorType: { elemType: ELEMENT.float, shape: { dim } } } };
  }
}

function castNode(from: string, to: string, element: number): OnnxNodeProto {
  const attribute = [{ name: 'to', type: ATTRIBUTE.int, i: element }];
  return { opType: 'Cast', name: `${to}_cast`, domain: '', input: [from], output: [to], attribute };
}
