import { MASK_INPUT, takenBy, type GraphIndex } from '../graph/graph-index.js';
import { neededFor } from '../graph/keep-needed.js';
import type { OnnxGraphProto, OnnxNodeProto } from '../graph/onnx-proto.js';

/** Attention in one node, as onnxruntime's optimizer writes it, and as ONNX has it since opset 23. */
const FUSED_ATTENTION = new Set(['Attention', 'QAttention', 'MultiHeadAttention', 'PackedAttention', 'PackedMultiHeadAttention']);

/**
 * The way of what the texts say through a graph: from token ids to logits. A `Shape` ends it, as sizes say nothing of the texts. Values that everything goes
 * through are where a graph can be cut, whatever their names.
 */
export class ContentPath {
  /** Nodes on the way, in the order of computation. */
  readonly #nodes: readonly OnnxNodeProto[];
  /** Node by content value: its position in `#nodes`; -1 for the graph's inputs. */
  readonly #positions = new Map<string, number>();
  readonly #index: GraphIndex;

  constructor(graph: OnnxGraphProto, index: GraphIndex, output: string) {
    this.#index = index;
    const constant = new Set(graph.initializer.map(({ name }) => name));
    for (const { name } of graph.input) if (name !== MASK_INPUT && !constant.has(name)) this.#positions.set(name, -1);
    const nodes = graph.node.filter((node) => {
      if (node.opType === 'Shape' || !takenBy(node).some((name) => this.#positions.has(name))) return false;
      for (const name of node.output) this.#positions.set(name, 0);
      return true;
    });
    this.#nodes = neededFor(nodes, new Set([output]));
    this.#nodes.forEach((node, position) => node.output.forEach((name) => this.#positions.set(name, position)));
  }

  isContent(value: string): boolean {
    return this.#positions.has(value);
  }

  /** Whether the value is made from what the texts say before another is. */
  isBefore(value: string, other: string): boolean {
    return (this.#positions.get(value) ?? Infinity) < (this.#positions.get(other) ?? -Infinity);
  }

  /**
   * For each layer of the encoder, the value that everything before its attention goes through: the hidden state that the layer begins with. Empty where
   * there is no attention on the way, or where more than one value goes past an attention.
   */
  layerStarts(): string[] {
    const waists = this.#waists();
    const attentions = this.#nodes.flatMap((node, position) => (this.#isAttention(node) ? [position] : []));
    const starts = attentions.flatMap((attention) => waists.findLast(({ position }) => position < attention)?.value ?? []);
    // Several products in one stretch are one layer.
    return [...new Set(starts)];
  }

  /** Values after which nothing else that was made before is taken. */
  #waists(): { readonly value: string; readonly position: number }[] {
    const lastTaken = new Map<string, number>();
    this.#nodes.forEach((node, position) => takenBy(node).forEach((name) => lastTaken.set(name, position)));
    const waists: { value: string; position: number }[] = [];
    let open = new Set<string>();
    for (const name of this.#positions.keys()) if (this.#positions.get(name) === -1 && lastTaken.has(name)) open.add(name);
    this.#nodes.forEach(({ output }, position) => {
      open = new Set([...open].filter((name) => lastTaken.get(name)! > position));
      for (const name of output) if ((lastTaken.get(name) ?? -1) > position) open.add(name);
      const [value] = open;
      if (open.size === 1 && value !== undefined && value === output[0]) waists.push({ value, position });
    });
    return waists;
  }

  /** Where tokens look at each other: one fused node, or the product of weights and values behind a softmax. */
  #isAttention(node: OnnxNodeProto): boolean {
    if (FUSED_ATTENTION.has(node.opType)) return true;
    if (node.opType !== 'MatMul' || !node.input.every((name) => this.isContent(name))) return false;
    return this.#comesFromSoftmax(node.input[0]!);
  }

  /** Through what works number by number: casts, dropout, a choice where a row has no token at all. */
  #comesFromSoftmax(value: string): boolean {
    const producer = this.#index.producers.get(value);
    if (producer === undefined) return false;
    if (producer.opType === 'Softmax') return true;
    const through = { Cast: 0, Dropout: 0, Identity: 0, Where: 2 }[producer.opType];
    return through !== undefined && this.#comesFromSoftmax(producer.input[through] ?? '');
  }
}
