import { narrowLastLayer } from './narrow-last-layer.js';
import { decodeOnnxModel, encodeOnnxModel } from './onnx-proto.js';

/** Bytes of a graph that computes the same scores with less, or why this one stays as it is. */
export function rewriteModel(bytes: Uint8Array): { readonly bytes: Uint8Array } | { readonly unrecognised: string } {
  let model;
  try {
    model = decodeOnnxModel(bytes);
  } catch (error) {
    return { unrecognised: error instanceof Error ? error.message : String(error) };
  }
  if (narrowLastLayer(model) === undefined) return { unrecognised: 'No last layer was found of which the first token alone is read.' };
  return { bytes: encodeOnnxModel({ ...model, producerName: 'rerank-fleet narrow' }) };
}
