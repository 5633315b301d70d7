import { fuseAttention } from './fuse-attention.js';
import { narrowLastLayer } from './narrow-last-layer.js';
import { decodeOnnxModel, encodeOnnxModel, type OnnxModel } from './onnx-proto.js';
import { spellOutSizes } from './spell-out-sizes.js';

export interface RewriteOptions {
  /** Whether attention without a mask is worth a way of its own: on a CPU. */
  readonly fusesAttention: boolean;
}

export interface RewrittenModel {
  readonly bytes: Uint8Array;
  /** Attentions that are one node where a batch has no padding. */
  readonly fusedAttentions: number;
}

/** Bytes of a graph that computes the same scores with less, or why this one stays as it is. */
export function rewriteModel(bytes: Uint8Array, { fusesAttention }: RewriteOptions): RewrittenModel | { readonly unrecognised: string } {
  let model: OnnxModel;
  try {
    model = decodeOnnxModel(bytes);
  } catch (error) {
    return { unrecognised: error instanceof Error ? error.message : String(error) };
  }
  const isNarrowed = narrowLastLayer(model) !== undefined;
  const isSpelledOut = spellOutSizes(model) > 0;
  const fusedAttentions = fusesAttention ? fuseAttention(model) : 0;
  if (!isNarrowed && !isSpelledOut && fusedAttentions === 0)
    return { unrecognised: 'No last layer was found of which the first token alone is read, and no attention that is known.' };
  return { bytes: encodeOnnxModel({ ...model, producerName: 'rerank-fleet' }), fusedAttentions };
}
