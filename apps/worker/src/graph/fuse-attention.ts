import { findAttentionCores, type AttentionCore } from './attention-cores.js';
import { GraphIndex, MASK_INPUT } from './graph-index.js';
import { neededFor } from './keep-needed.js';
import { ATTRIBUTE, ELEMENT, type OnnxGraphProto, type OnnxModel, type OnnxNodeProto, type OnnxValueInfo } from './onnx-proto.js';

/** Domain of the runtime's own operators, and the version that they all have. */
const RUNTIME = { domain: 'com.microsoft', version: 1 } as const;
const CHOICE = 'rerank_fleet_padded_or_not';
const IS_UNPADDED = 'rerank_fleet_is_unpadded';
const LEAST_OF_MASK = 'rerank_fleet_least_of_mask';
/** Values of the branch for batches without padding: no other value's name begins so. */
const UNPADDED = 'rerank_fleet_unpadded/';
const PADDED_OUTPUT = 'rerank_fleet_padded/';

/**
 * Gives the graph a second way for batches without padding, in place, where each attention is one node that needs no mask: onnxruntime's CPU kernel then goes
 * through keys block by block and never writes the scores of all tokens with all tokens down (Dao et al., 2022, https://arxiv.org/abs/2205.14135).
 * Padded batches go the way that they went before.
 *
 * One `If` around all of it, and not one in each layer: what optimizers fuse, they fuse within one body. The weights are outside of both.
 *
 * @returns attentions in one node; 0, and the graph as it was, where none is known, or where it has branches of its own already
 */
export function fuseAttention(model: OnnxModel): number {
  const { graph } = model;
  if (!graph.input.some(({ name }) => name === MASK_INPUT) || graph.node.some(hasBody)) return 0;
  const cores = findAttentionCores(graph, new GraphIndex(graph)).filter(({ attendsToAll }) => attendsToAll);
  if (cores.length === 0) return 0;
  const outputs = new Set(graph.output.map(({ name }) => name));
  const made = new Set(graph.node.flatMap(({ output }) => output));
  const fused = neededFor(withFused(graph.node, cores), new Set(outputs));
  const branches = [
    branchAttribute(
      'then_branch',
      bodyOf(graph, fused, (name) => (made.has(name) ? `${UNPADDED}${name}` : name)),
    ),
    branchAttribute(
      'else_branch',
      bodyOf(graph, graph.node, (name) => (outputs.has(name) ? `${PADDED_OUTPUT}${name}` : name)),
    ),
  ];
  graph.node = [
    nodeOf('ReduceMin', [MASK_INPUT], [LEAST_OF_MASK], [{ name: 'keepdims', type: ATTRIBUTE.int, i: 0 }]),
    nodeOf('Cast', [LEAST_OF_MASK], [IS_UNPADDED], [{ name: 'to', type: ATTRIBUTE.int, i: ELEMENT.bool }]),
    { ...nodeOf('If', [IS_UNPADDED], [...outputs], branches), name: CHOICE },
  ];
  graph.valueInfo = [];
  if (!model.opsetImport.some(({ domain }) => domain === RUNTIME.domain)) model.opsetImport.push({ ...RUNTIME });
  return cores.length;
}

/** The graph before its attentions were fused, in place. @returns whether they had been */
export function separateAttention({ graph }: OnnxModel): boolean {
  const choice = graph.node.find(({ name, opType }) => opType === 'If' && name === CHOICE);
  const padded = choice?.attribute.find(({ name }) => name === 'else_branch')?.g;
  if (padded === undefined || padded === null) return false;
  const named = (name: string): string => (name.startsWith(PADDED_OUTPUT) ? name.slice(PADDED_OUTPUT.length) : name);
  graph.node = padded.node.map((node) => renamed(node, named));
  graph.valueInfo = padded.valueInfo;
  return true;
}

const hasBody = ({ attribute }: OnnxNodeProto): boolean => attribute.some(({ g }) => g !== undefined && g !== null);

/** The nodes with each join replaced by the fused attention that makes the same value. */
function withFused(nodes: readonly OnnxNodeProto[], cores: readonly AttentionCore[]): OnnxNodeProto[] {
  const joins = new Map(cores.map((core) => [core.join, core]));
  return nodes.map((node) => {
    const core = joins.get(node);
    return core === undefined ? node : fusedNode(core);
  });
}

function fusedNode({ query, keys, values, heads, scale, join }: AttentionCore): OnnxNodeProto {
  const node = nodeOf('MultiHeadAttention', [query, keys, values], join.output, [
    { name: 'num_heads', type: ATTRIBUTE.int, i: heads },
    { name: 'scale', type: ATTRIBUTE.float, i: 0, f: scale },
  ]);
  return { ...node, domain: RUNTIME.domain };
}

/** What is said of shapes goes along: it decides on what the runtime fuses. */
function bodyOf(graph: OnnxGraphProto, nodes: readonly OnnxNodeProto[], named: (name: string) => string): OnnxGraphProto {
  const made = new Set(nodes.flatMap(({ output }) => output));
  const info = (value: OnnxValueInfo): OnnxValueInfo => ({ ...value, name: named(value.name) });
  return {
    node: nodes.map((node) => renamed(node, named)),
    initializer: [],
    input: [],
    output: graph.output.map(info),
    valueInfo: graph.valueInfo.filter(({ name }) => made.has(name)).map(info),
  };
}

function renamed(node: OnnxNodeProto, named: (name: string) => string): OnnxNodeProto {
  return { ...node, name: named(node.output[0]!), input: node.input.map(named), output: node.output.map(named) };
}

function branchAttribute(name: string, body: OnnxGraphProto): OnnxNodeProto['attribute'][number] {
  return { name, type: ATTRIBUTE.graph, i: 0, g: { ...body, name } };
}

function nodeOf(opType: string, input: readonly string[], output: readonly string[], attribute: object[]): OnnxNodeProto {
  return {
    opType,
    name: output[0]!,
    domain: '',
    input: [...input],
    output: [...output],
    attribute: attribute as OnnxNodeProto['attribute'],
  };
}
