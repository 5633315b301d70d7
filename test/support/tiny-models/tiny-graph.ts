import type { OnnxConstant, OnnxGraph, OnnxNode, OnnxValue } from './onnx-file.js';
import { randomWeights } from './random-weights.js';
import { quantizeGraph } from './quantize-graph.js';

/** Width of the hidden state. */
export const TINY_WIDTH = 16;

export interface TinyGraphOptions {
  readonly kind: 'cross-encoder' | 'embedder';
  /** Rows of the word table; an id beyond it makes onnxruntime throw. */
  readonly words: number;
  readonly positions: number;
  readonly tokenTypes: boolean;
  /** Logits a sequence. */
  readonly labels: number;
  readonly seed: number;
  /** Ids whose embedding is not a number. */
  readonly notANumber: readonly number[];
  /** Id → turns of an idle loop that a batch with it makes. */
  readonly turns: ReadonlyMap<number, bigint>;
  /** A batch of more padded tokens asks for more memory than any machine has. */
  readonly roomForTokens?: number | undefined;
  /** Positions and output layer as onnxruntime's dynamic quantization leaves them. */
  readonly quantized: boolean;
}

const BATCH: readonly string[] = ['batch', 'sequence'];

/**
 * `tanh(word + type + position)`, then the mean over the mask and one linear layer: a score does not depend on padding, but on ids, token
 * types and, as the tanh comes before the mean, on their order.
 */
export function tinyGraph(options: TinyGraphOptions): OnnxGraph {
  const graph = floatGraph(options);
  return options.quantized ? quantizeGraph(graph, { tables: ['positions'], weights: ['weight'] }) : graph;
}

function floatGraph(options: TinyGraphOptions): OnnxGraph {
  const { kind, labels, tokenTypes, roomForTokens } = options;
  const names = ['input_ids', 'attention_mask', ...(tokenTypes ? ['token_type_ids'] : [])];
  const inputs = names.map((name): OnnxValue => ({ name, element: 'int64', shape: BATCH }));
  const greedy = roomForTokens === undefined ? [] : greedyNodes();
  const nodes = [
    ...greedy,
    ...loopNodes(greedy.length === 0 ? 'still' : 'allocated'),
    ...hiddenNodes(tokenTypes, kind === 'embedder' ? 'last_hidden_state' : 'hidden'),
  ];
  if (kind === 'embedder') {
    const output: OnnxValue = { name: 'last_hidden_state', element: 'float', shape: [...BATCH, TINY_WIDTH] };
    return { inputs, nodes, outputs: [output, maskOutput()], constants: constants(options) };
  }
  return {
    inputs,
    nodes: [...nodes, ...logitNodes()],
    outputs: [{ name: 'logits', element: 'float', shape: ['batch', labels] }],
    constants: constants(options),
  };
}

/** An embedder pools outside of the graph; the mask is an output so that no input is without use. */
function maskOutput(): OnnxValue {
  return { name: 'mask_seen', element: 'int64', shape: BATCH };
}

function constants({
  words,
  positions,
  tokenTypes,
  labels,
  seed,
  notANumber,
  turns,
  kind,
  roomForTokens,
}: TinyGraphOptions): OnnxConstant[] {
  const random = randomWeights(seed);
  const table = random(words * TINY_WIDTH, 1);
  for (const id of notANumber) table.fill(Number.NaN, id * TINY_WIDTH, (id + 1) * TINY_WIDTH);
  const turnsTable = BigInt64Array.from({ length: words }, (_, id) => turns.get(id) ?? 0n);
  const whole = (name: string, values: readonly bigint[], dims: readonly number[]): OnnxConstant => ({
    name,
    dims,
    values: BigInt64Array.from(values),
  });
  const shared = [
    { name: 'words', dims: [words, TINY_WIDTH], values: table },
    ...(tokenTypes ? [{ name: 'types', dims: [2, TINY_WIDTH], values: random(2 * TINY_WIDTH, 0.5) }] : []),
    { name: 'positions', dims: [positions, TINY_WIDTH], values: random(positions * TINY_WIDTH, 0.5) },
    { name: 'turns', dims: [words], values: turnsTable },
    { name: 'still', dims: [1], values: Float32Array.of(0) },
    whole('zero', [0n], []),
    whole('one', [1n], []),
    ...(roomForTokens === undefined
      ? []
      : [
          whole('room', [BigInt(roomForTokens)], [1]),
          whole('none', [0n], [1]),
          whole('some', [1n], [1]),
          whole('too_many', [1n << 46n], [1]),
        ]),
  ];
  if (kind === 'embedder') return shared;
  return [
    ...shared,
    { name: 'weight', dims: [TINY_WIDTH, labels], values: random(TINY_WIDTH * labels, 8) },
    { name: 'bias', dims: [labels], values: random(labels, 0.5) },
    whole('axis_sequence', [1n], [1]),
    whole('axis_last', [-1n], [1]),
  ];
}

/** Zeros without effect: none for a batch that there is room for, else 2^48 bytes, which is beyond the address space of a process. */
function greedyNodes(): OnnxNode[] {
  return [
    { op: 'Size', inputs: ['input_ids'], outputs: ['tokens_padded'] },
    { op: 'Sub', inputs: ['tokens_padded', 'room'], outputs: ['tokens_beyond'] },
    { op: 'Max', inputs: ['tokens_beyond', 'none'], outputs: ['tokens_over'] },
    { op: 'Min', inputs: ['tokens_over', 'some'], outputs: ['is_over'] },
    { op: 'Mul', inputs: ['is_over', 'too_many'], outputs: ['zeros_wanted'] },
    { op: 'ConstantOfShape', inputs: ['zeros_wanted'], outputs: ['zeros'] },
    { op: 'ReduceSum', inputs: ['zeros'], outputs: ['zeros_sum'], attributes: { keepdims: 1 } },
    { op: 'Add', inputs: ['still', 'zeros_sum'], outputs: ['allocated'] },
  ];
}

/** A loop without effect whose length is that of the slowest word in the batch. */
function loopNodes(start: string): OnnxNode[] {
  const scalar = (name: string, element: 'int64' | 'bool'): OnnxValue => ({ name, element, shape: [] });
  const value = (name: string): OnnxValue => ({ name, element: 'float', shape: [1] });
  const body: OnnxGraph = {
    inputs: [scalar('turn', 'int64'), scalar('go_on', 'bool'), value('before')],
    outputs: [scalar('goes_on', 'bool'), value('after')],
    constants: [],
    nodes: [
      { op: 'Identity', inputs: ['go_on'], outputs: ['goes_on'] },
      { op: 'Tanh', inputs: ['before'], outputs: ['after'] },
    ],
  };
  return [
    { op: 'Gather', inputs: ['turns', 'input_ids'], outputs: ['turns_each'] },
    { op: 'ReduceMax', inputs: ['turns_each'], outputs: ['turns_most'], attributes: { keepdims: 0 } },
    { op: 'Loop', inputs: ['turns_most', '', start], outputs: ['idle'], attributes: { body } },
  ];
}

function hiddenNodes(tokenTypes: boolean, output: string): OnnxNode[] {
  const summands = tokenTypes ? ['word_each', 'type_each', 'position_each'] : ['word_each', 'position_each'];
  return [
    { op: 'Gather', inputs: ['words', 'input_ids'], outputs: ['word_each'] },
    ...(tokenTypes ? [{ op: 'Gather', inputs: ['types', 'token_type_ids'], outputs: ['type_each'] }] : []),
    { op: 'Shape', inputs: ['input_ids'], outputs: ['shape'] },
    { op: 'Gather', inputs: ['shape', 'one'], outputs: ['length'] },
    { op: 'Range', inputs: ['zero', 'length', 'one'], outputs: ['places'] },
    { op: 'Gather', inputs: ['positions', 'places'], outputs: ['position_each'] },
    { op: 'Add', inputs: summands.slice(0, 2), outputs: ['sum_two'] },
    ...(tokenTypes ? [{ op: 'Add', inputs: ['sum_two', 'position_each'], outputs: ['sum_three'] }] : []),
    { op: 'Add', inputs: [tokenTypes ? 'sum_three' : 'sum_two', 'idle'], outputs: ['sum'] },
    { op: 'Tanh', inputs: ['sum'], outputs: [output] },
    { op: 'Identity', inputs: ['attention_mask'], outputs: ['mask_seen'] },
  ];
}

function logitNodes(): OnnxNode[] {
  return [
    { op: 'Cast', inputs: ['mask_seen'], outputs: ['mask_float'], attributes: { to: 1 } },
    { op: 'Unsqueeze', inputs: ['mask_float', 'axis_last'], outputs: ['mask'] },
    { op: 'Mul', inputs: ['hidden', 'mask'], outputs: ['masked'] },
    { op: 'ReduceSum', inputs: ['masked', 'axis_sequence'], outputs: ['total'], attributes: { keepdims: 0 } },
    { op: 'ReduceSum', inputs: ['mask', 'axis_sequence'], outputs: ['tokens'], attributes: { keepdims: 0 } },
    { op: 'Div', inputs: ['total', 'tokens'], outputs: ['mean'] },
    { op: 'MatMul', inputs: ['mean', 'weight'], outputs: ['scores'] },
    { op: 'Add', inputs: ['scores', 'bias'], outputs: ['logits'] },
  ];
}
