import { attributeOf, type GraphIndex } from '../graph/graph-index.js';
import { ELEMENT } from '../graph/onnx-proto.js';

/** Number by number, over the last axis, or with something that is repeated for each token. */
const SHAPE_KEEPING = new Set(
  (
    'Add Sub Mul Div Cast Dropout Identity Tanh Gelu LayerNormalization SimplifiedLayerNormalization RMSNormalization SkipLayerNormalization ' +
    'SkipSimplifiedLayerNormalization'
  ).split(' '),
);

/** Of a hidden state `[batch, sequence, width]`. */
export interface HiddenType {
  readonly width: number;
  readonly element: 'float' | 'float16';
}

/** Whether a value has the axes of the token ids, `[batch, sequence]`, and a third one of this width. `inputs` are the graph's, `[batch, sequence]`. */
export function isHidden(value: string, width: number, index: GraphIndex, inputs: ReadonlyMap<string, unknown>): boolean {
  const producer = index.producers.get(value);
  if (producer === undefined) return false;
  const [first = '', second = ''] = producer.input;
  if (producer.opType === 'DequantizeLinear') return isHidden(first, width, index, inputs);
  if (SHAPE_KEEPING.has(producer.opType)) return producer.input.some((input) => isHidden(input, width, index, inputs));
  const table = index.constants.get(first)?.dims;
  return producer.opType === 'Gather' && table?.length === 2 && table[1] === width && inputs.has(second);
}

/** Last axis and element type of a value, from the constants that it is made with; undefined where they do not say. */
export function hiddenTypeOf(value: string, index: GraphIndex): HiddenType | undefined {
  const producer = index.producers.get(value);
  if (producer === undefined || (!SHAPE_KEEPING.has(producer.opType) && producer.opType !== 'MatMul')) return undefined;
  for (const input of producer.input) {
    const constant = index.constants.get(input);
    const [width, element] = [constant?.dims.at(-1) ?? 1, floatNamed(constant?.dataType)];
    if (width > 1 && element !== undefined) return { width, element };
  }
  const computed = producer.input.filter((input) => !index.constants.has(input));
  for (const input of computed) {
    const type = hiddenTypeOf(input, index);
    if (type === undefined) continue;
    const element = producer.opType === 'Cast' ? floatNamed(attributeOf(producer, 'to')?.i) : type.element;
    return element === undefined ? undefined : { width: type.width, element };
  }
  return undefined;
}

function floatNamed(dataType: number | undefined): HiddenType['element'] | undefined {
  if (dataType === ELEMENT.float) return 'float';
  return dataType === ELEMENT.float16 ? 'float16' : undefined;
}
