import { GraphIndex, MASK_INPUT } from '../graph/graph-index.js';
import { separateAttention } from '../graph/fuse-attention.js';
import { decodeOnnxModel, type OnnxModel } from '../graph/onnx-proto.js';
import { ContentPath } from './content-path.js';
import { encodeExcerpt } from './excerpt.js';
import { hiddenTypeOf, type HiddenType } from './hidden-shape.js';
import { Refusal } from './refusal.js';
import type { CutRefusal, Segment, SegmentSet } from './segment-set.js';

/** A segment before it is written. */
export interface SegmentBytes extends Omit<Segment, 'path'> {
  readonly bytes: Uint8Array;
}

export interface CutModel extends Pick<SegmentSet, 'layers' | 'width'> {
  readonly segments: readonly SegmentBytes[];
}

/**
 * Cuts the graph of a cross-encoder behind the given numbers of layers. Nodes are known by what they do, not by their names, so it is the same for every
 * family, for any precision, and for a graph that was rewritten: a boundary is a value that everything the texts say goes through, right before an attention.
 *
 * @param cuts ascending, each from 1 to the layers less one
 */
export function cutModel(bytes: Uint8Array, cuts: readonly number[]): CutModel | CutRefusal {
  try {
    const model = decode(bytes);
    // Where the whole model has a second way for batches without padding, each segment gets one.
    const fusesAttention = separateAttention(model);
    return cut(model, cuts, fusesAttention);
  } catch (error) {
    if (error instanceof Refusal) return { refused: error.message };
    throw error;
  }
}

/** Layers of a cross-encoder between which it can be cut: two at least. */
export function countLayers(bytes: Uint8Array): number | CutRefusal {
  try {
    const model = decode(bytes);
    separateAttention(model);
    return layersOf(model).starts.length;
  } catch (error) {
    if (error instanceof Refusal) return { refused: error.message };
    throw error;
  }
}

function decode(bytes: Uint8Array): OnnxModel {
  try {
    return decodeOnnxModel(bytes);
  } catch (error) {
    throw new Refusal(error instanceof Error ? error.message : String(error));
  }
}

function cut(model: OnnxModel, cuts: readonly number[], fusesAttention: boolean): CutModel {
  const { index, inputs, output, path, starts } = layersOf(model);
  if (!isAscending(cuts, starts.length)) {
    const range = `from 1 to ${starts.length - 1}`;
    throw new Refusal(`The model has ${starts.length} layers: cuts are whole numbers ${range}, ascending.`);
  }
  const hidden = commonType(
    cuts.map((layer) => starts[layer]!),
    index,
  );
  const edges = [0, ...cuts, starts.length];
  const segments = edges.slice(1).map((to, at): SegmentBytes => {
    const from = edges[at]!;
    const between = { start: from === 0 ? undefined : starts[from], end: starts[to] };
    return { ...encodeExcerpt({ model, index, path, inputs, output, hidden, fusesAttention }, between), layers: [from, to] };
  });
  return { layers: starts.length, width: hidden.width, segments };
}

/** The values that layers begin with, and what was found on the way to them. */
function layersOf({ graph }: OnnxModel) {
  const [output, ...others] = graph.output;
  if (output === undefined || others.length > 0) throw new Refusal('The model has more outputs than its logits.');
  const index = new GraphIndex(graph);
  const inputs = new Map(graph.input.filter(({ name }) => !index.constants.has(name)).map((input) => [input.name, input]));
  if (!inputs.has(MASK_INPUT)) throw new Refusal(`The model has no input ${MASK_INPUT}.`);
  const path = new ContentPath(graph, index, output.name);
  const starts = path.layerStarts();
  if (starts.length < 2) throw new Refusal('No layers were found in the graph of the model between which it could be cut.');
  return { index, inputs, output: output.name, path, starts };
}

function isAscending(cuts: readonly number[], layers: number): boolean {
  return cuts.length > 0 && cuts.every((layer, at) => Number.isInteger(layer) && layer > (cuts[at - 1] ?? 0) && layer < layers);
}

function commonType(boundaries: readonly string[], index: GraphIndex): HiddenType {
  const [type, ...others] = boundaries.map((value) => hiddenTypeOf(value, index));
  if (type === undefined || others.some((other) => other?.width !== type.width || other.element !== type.element))
    throw new Refusal('The type of the hidden state between the layers is not known.');
  return type;
}
