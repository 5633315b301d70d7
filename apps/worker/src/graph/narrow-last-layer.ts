import { attributeOf, GraphIndex } from './graph-index.js';
import { ELEMENT, tensor, type OnnxGraphProto, type OnnxModel, type OnnxNodeProto } from './onnx-proto.js';
import { isProduct, narrowingOf, readsTokens, type Layout, type Narrowing } from './token-axis.js';

/** `Slice` takes its bounds as inputs from here on. */
const OLDEST_OPSET = 11;

export interface NarrowingReport {
  /** Products by weights that run for one token now. */
  readonly products: number;
  readonly nodes: number;
}

/**
 * A classifier of sequences reads the first token of the last layer and nothing else of it. This computes nothing else, in place: from where the first token
 * is taken, the choice moves up through every node that works token by token, to the queries of the last attention and to its residual. Keys and values
 * stay as they are. Any graph whose nodes are known is understood, whatever their names.
 *
 * @returns undefined, and the graph as it was, where there is nothing to gain: no such place, or nodes that are not known
 */
export function narrowLastLayer({ graph, opsetImport }: OnnxModel): NarrowingReport | undefined {
  if ((opsetImport.find(({ domain }) => domain === '')?.version ?? 0) < OLDEST_OPSET) return undefined;
  const index = new GraphIndex(graph);
  const choice = graph.node.find((node) => takesFirstToken(node, index));
  if (choice === undefined) return undefined;
  const region = new Region(graph, index, choice);
  const products = [...region.nodes.keys()].filter((node) => isProduct(node) && index.isFree(node.input[1]!)).length;
  if (products === 0) return undefined;
  region.apply();
  return { products, nodes: region.nodes.size };
}

/** `hidden[:, 0]`, and nobody else takes the hidden state. */
function takesFirstToken(node: OnnxNodeProto, index: GraphIndex): boolean {
  const [hidden = '', position = ''] = node.input;
  if (node.opType !== 'Gather' || attributeOf(node, 'axis')?.i !== 1) return false;
  if (index.isFree(hidden) || index.integers(position)?.join() !== '0') return false;
  return index.takersOf(hidden).every((taker) => taker.node === node);
}

/** The nodes that can do with one token. */
class Region {
  readonly nodes = new Map<OnnxNodeProto, Narrowing>();
  readonly #graph: OnnxGraphProto;
  readonly #index: GraphIndex;
  /** Values of which the region takes one token, with their layouts. */
  readonly #wanted = new Map<string, Layout>();
  readonly #added = new Set<string>();

  constructor(graph: OnnxGraphProto, index: GraphIndex, choice: OnnxNodeProto) {
    this.#graph = graph;
    this.#index = index;
    this.#wanted.set(choice.input[0]!, { rank: 3, axis: 1 });
    const last = graph.node.indexOf(choice);
    // Nodes are in the order of computation, so every taker of a value has been looked at before its producer.
    for (const node of graph.node.slice(0, last).reverse()) {
      const layout = this.#wanted.get(node.output[0] ?? '');
      const narrowing = layout === undefined ? undefined : narrowingOf(node, layout, index);
      if (layout === undefined || narrowing === undefined || !this.#isOurs(node, layout, choice)) continue;
      const clash = narrowing.inputs.some(({ input, layout: asked }) => !sameLayout(this.#wanted.get(node.input[input]!) ?? asked, asked));
      if (clash) continue;
      this.nodes.set(node, narrowing);
      for (const { input, layout: asked } of narrowing.inputs) this.#wanted.set(node.input[input]!, asked);
    }
  }

  /** Edits the graph. A value that others want whole is cut to its first token once, for the region. */
  apply(): void {
    const narrowed = new Set([...this.nodes.keys()].flatMap(({ output }) => output));
    const nodes: OnnxNodeProto[] = [];
    for (const node of this.#graph.node) {
      const narrowing = this.nodes.get(node);
      for (const { input, layout } of narrowing?.inputs ?? []) {
        const value = node.input[input]!;
        if (narrowed.has(value)) continue;
        node.input[input] = `${value}_first_token`;
        if (this.#isNew(node.input[input])) nodes.push(this.#slice(value, node.input[input], layout));
      }
      if (narrowing?.shape !== undefined) {
        node.input = [node.input[0]!, this.#constant(`narrow_shape_${narrowing.shape.join('_')}`, narrowing.shape)];
        node.attribute = [];
      }
      nodes.push(node);
    }
    this.#graph.node = nodes;
    // What is said of their shapes holds no longer; the runtime finds them out itself.
    this.#graph.valueInfo = this.#graph.valueInfo.filter(({ name }) => !narrowed.has(name));
  }

  /** Whether nobody outside of the region takes what the node makes. */
  #isOurs(node: OnnxNodeProto, layout: Layout, choice: OnnxNodeProto): boolean {
    const [values, ...numbers] = node.output;
    return (
      this.#index.takersOf(values!).every(({ node: taker, input }) => {
        if (taker === undefined || input < 0) return false;
        if (taker === choice) return true;
        if (taker.opType === 'Shape') return !readsTokens(taker, layout, this.#index);
        return this.nodes.get(taker)?.inputs.some((narrowed) => narrowed.input === input) === true;
      }) && numbers.every((name) => this.#endsInside(name))
    );
  }

  /** Of a scale or zero point, which become those of the first tokens alone. */
  #endsInside(name: string): boolean {
    return this.#index.takersOf(name).every(({ node, input }) => {
      if (node === undefined || input < 0) return false;
      return this.nodes.has(node) || (this.#index.isFree(node.output[0]!) && this.#endsInside(node.output[0]!));
    });
  }

  #slice(from: string, to: string, { axis }: Layout): OnnxNodeProto {
    const bounds = [0, 1, axis].map((value) => this.#constant(`narrow_${value}`, [value]));
    return { opType: 'Slice', name: to, domain: '', input: [from, ...bounds], output: [to], attribute: [] };
  }

  #constant(name: string, values: readonly number[]): string {
    if (this.#isNew(name)) this.#graph.initializer.push(tensor(name, [values.length], ELEMENT.int64, BigInt64Array.from(values, BigInt)));
    return name;
  }

  #isNew(name: string): boolean {
    if (this.#added.has(name)) return false;
    this.#added.add(name);
    return true;
  }
}

const sameLayout = (a: Layout, b: Layout): boolean => a.axis === b.axis && a.rank === b.rank;
