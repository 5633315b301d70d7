/** Raised with every change of how models are cut; files of other versions are no longer looked at. */
export const SEGMENTS_VERSION = 1;

/** Names of the hidden state as an input and as an output of segments; a graph cannot use one name for both. */
export const HIDDEN_INPUT = 'hidden';
export const HIDDEN_OUTPUT = 'hidden_out';

/** One stretch of a model's layers, an ONNX file of its own. */
export interface Segment {
  readonly path: string;
  /**
   * What it takes, by name: the first segment `input_ids`, `attention_mask` and what else the model has (`token_type_ids`), int64 `[batch, sequence]`; later ones
   * `hidden` and, as a rule, `attention_mask`.
   */
  readonly inputs: readonly string[];
  /** `hidden_out`, or the name of the model's logits in the last segment. */
  readonly output: string;
  /** Layers that it runs: from (counted from 0) up to, not including. */
  readonly layers: readonly [from: number, to: number];
}

/** A model in stretches of layers: run in a row they give the logits of the whole, bit for bit, where the runtime fuses nothing across a cut. */
export interface SegmentSet {
  /** sha256 of the file that was cut: that of the model, or of a faster graph of the same weights. */
  readonly source: string;
  /** Layers run before each cut, ascending: `[3, 6]` makes three segments. */
  readonly cuts: readonly number[];
  /** Layers of the model. */
  readonly layers: number;
  /**
   * Last axis of the hidden state between segments, float32 `[batch, sequence, width]` whatever the model computes with: fp16 models cast inside, as onnxruntime-node cannot
   * be fed half floats on a Node that has a class for them.
   */
  readonly width: number;
  readonly segments: readonly Segment[];
}

/** Why a model cannot be cut: it has to run whole. */
export interface CutRefusal {
  /** One sentence. */
  readonly refused: string;
}
