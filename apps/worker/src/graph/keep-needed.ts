import { takenBy } from './graph-index.js';
import type { OnnxGraphProto, OnnxNodeProto } from './onnx-proto.js';

/** Takes nodes and constants out of the graph that its outputs are not made of. */
export function keepNeeded(graph: OnnxGraphProto): void {
  const wanted = new Set(graph.output.map(({ name }) => name));
  graph.node = neededFor(graph.node, wanted);
  const unused = new Set(graph.initializer.map(({ name }) => name).filter((name) => !wanted.has(name)));
  graph.initializer = graph.initializer.filter(({ name }) => !unused.has(name));
  // Older files name their constants among the inputs, too.
  graph.input = graph.input.filter(({ name }) => !unused.has(name));
  const made = new Set(graph.node.flatMap(({ output }) => output));
  graph.valueInfo = graph.valueInfo.filter(({ name }) => made.has(name));
}

/** Those of the nodes, which are in the order of computation, that the wanted values are made of. What they take is wanted afterwards, too. */
export function neededFor(nodes: readonly OnnxNodeProto[], wanted: Set<string>): OnnxNodeProto[] {
  const needed = nodes.toReversed().filter((node) => {
    if (!node.output.some((name) => wanted.has(name))) return false;
    takenBy(node).forEach((name) => wanted.add(name));
    return true;
  });
  return needed.reverse();
}
