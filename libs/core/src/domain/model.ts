export type ModelKind = 'cross-encoder' | 'embedder';
export type Precision = 'int8' | 'fp16' | 'fp32';
export type Pooling = 'cls' | 'mean';

/** What the engine must know of a model besides its files. */
export interface ModelTraits {
  readonly kind: ModelKind;
  /** Longest input in tokens, special tokens included. */
  readonly maxLength: number;
  /** Cross-encoders with several output labels: the one whose logit orders. */
  readonly labelIndex?: number;
  /** Embedders: how `[batch, sequence, hidden]` becomes `[batch, hidden]`. */
  readonly pooling?: Pooling;
  /** Embedders: divide by the L2 norm. */
  readonly normalize?: boolean;
  readonly queryPrefix?: string;
  readonly passagePrefix?: string;
}

/** A model whose files are on this machine and verified. */
export interface ResolvedModel extends ModelTraits {
  /** The name clients use. */
  readonly name: string;
  readonly precision: Precision;
  /** SPDX identifier, or `unknown` for a folder given by path. */
  readonly licence: string;
  readonly directory: string;
  readonly onnxPath: string;
  readonly tokenizerPath: string;
  /** Of the ONNX file: the model's revision everywhere (cache keys, registry, pins). */
  readonly sha256: string;
}

/** A model as live workers announce it. */
export interface ModelRevision {
  readonly name: string;
  readonly kind: ModelKind;
  readonly sha256: string;
  readonly maxLength: number;
  readonly precision: Precision;
  /** Embedders only. */
  readonly dimensions?: number;
}
