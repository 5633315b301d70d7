import { findAttentionCores } from './attention-cores.js';
import { GraphIndex } from './graph-index.js';
import { keepNeeded } from './keep-needed.js';
import { ELEMENT, tensor, type OnnxModel } from './onnx-proto.js';

/**
 * Exporters compute the sizes of heads and the scale of scores from `Shape`, again in each layer. Here they become constants, in place: the same numbers go
 * through the same arithmetic, without the dozens of small nodes.
 *
 * @returns attentions that were changed
 */
export function spellOutSizes({ graph }: OnnxModel): number {
  const index = new GraphIndex(graph);
  const names = new Set(index.constants.keys());
  const sizes = (values: readonly number[]): string => {
    const name = `sizes_${values.join('_')}`;
    if (!names.has(name)) graph.initializer.push(tensor(name, [values.length], ELEMENT.int64, BigInt64Array.from(values, BigInt)));
    names.add(name);
    return name;
  };
  const number = (value: number): string => {
    const name = `number_${value}`;
    if (!names.has(name)) graph.initializer.push(tensor(name, [], ELEMENT.float, Float32Array.of(value)));
    names.add(name);
    return name;
  };
  const cores = findAttentionCores(graph, index);
  let changed = 0;
  for (const { splits, join, factors, heads, width } of cores) {
    // Zero copies a size. Sizes that are constants already may be shared with nodes that are none of ours.
    const computed = [...splits, join].filter(({ input }) => !index.constants.has(input[1]!));
    if (computed.length + factors.length > 0) changed += 1;
    for (const node of computed) {
      node.input = [node.input[0]!, sizes(node === join ? [0, 0, heads * width] : [0, 0, heads, width])];
      node.attribute = [];
    }
    for (const { node, input, value } of factors) node.input[input] = number(value);
  }
  if (changed > 0) keepNeeded(graph);
  return changed;
}
