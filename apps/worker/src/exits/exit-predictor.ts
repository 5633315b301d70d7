/** Predicts a pair's final logit after a number of layers. */
export interface ExitHead {
  /** Layers run before it. */
  readonly layer: number;
  /** Standard deviation of what it is off by, in logits, on pairs of queries that it was not fitted on. */
  readonly sigma: number;
  /** Correlation of prediction and final logit on those pairs. */
  readonly correlation: number;
  /** Predicted logit (of the configured label) from the features of a pair (`pair-features.ts`), which it leaves as they are; heads of earlier versions take the first of them. No allocation. */
  predict(features: Float32Array): number;
}

/** Heads of one model, by layer. */
export interface ExitPredictor {
  /** sha256 of the model's own file, whichever graph of its weights runs. */
  readonly model: string;
  /** Width of the hidden state. */
  readonly width: number;
  /** Layers that have a head, ascending: cuts can be made after these. */
  readonly layers: readonly number[];
  /** @throws InvariantError where the layer has no head */
  at(layer: number): ExitHead;
}
