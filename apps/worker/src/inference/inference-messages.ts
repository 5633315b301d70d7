import type { Pooling } from '@rerank-fleet/core/domain';
import type { HeadsFile } from '../exits/heads-schema.js';
import type { SegmentSet } from '../exits/segment-set.js';
import type { StateRows } from '../pipeline/batch-runner.js';

/** A faster way to run the same weights, whose scores differ from those of the file as it is by less than batch mates make them differ. */
export interface FastVariant {
  /** Tells it from others in the keys of caches. */
  readonly name: string;
  readonly onnxPath: string;
  /** Optimizations of onnxruntime, by name, that slow this device down. */
  readonly withoutOptimizers: readonly string[];
  /**
   * Tokens from which sequences run beside others of their own length only, as padding would cost more than one more run, through the whole model and through
   * segments of it. @defaultValue none
   */
  readonly separateFrom?: { readonly whole: number; readonly segments: number };
}

/** A model cut between its layers, with what its threads share. */
export interface SegmentedModel extends Pick<SegmentSet, 'cuts' | 'width' | 'segments'> {
  readonly withoutOptimizers?: readonly string[];
  /** Predict logits at the cuts. As they were read at the worker's start, with their deviations: a later fit may have other cuts. */
  readonly heads: HeadsFile;
  /** `…/rerank-fleet`: segments that are no longer there are cut again. */
  readonly cacheDirectory: string;
  /** Hidden states of pairs between two segments, in pages. */
  readonly memory: SharedArrayBuffer;
}

export interface InferenceModel {
  readonly sha256: string;
  readonly onnxPath: string;
  /** What runs batches that need not equal the reference implementation. @defaultValue the file itself */
  readonly fast?: FastVariant;
  /** Loaded with the first batch that asks for a segment. */
  readonly segmented?: SegmentedModel;
  /** What becomes of the output: one logit a sequence, or one vector a sequence. */
  readonly output:
    | {
        readonly kind: 'logit';
        /** Of several labels, the one whose logit counts. Absent: there is one. */
        readonly labelIndex?: number | undefined;
      }
    | { readonly kind: 'vector'; readonly pooling: Pooling; readonly normalize: boolean };
}

/** What an inference thread is started with. */
export interface InferenceThreadData {
  readonly models: readonly InferenceModel[];
  readonly device: 'cpu' | 'cuda' | 'webgpu';
  readonly intraOpThreads: number;
}

/** A padded batch, `[batch, sequence]` in row-major order; buffers move to the thread. */
export interface BatchTensors {
  readonly batch: number;
  readonly sequence: number;
  readonly inputIds: BigInt64Array;
  readonly attentionMask: BigInt64Array;
  readonly tokenTypeIds: BigInt64Array;
  /** The file itself has to run it. */
  readonly reference?: boolean;
  /** One segment of the model has to run it, on the states of `state`; those after the first take no ids. */
  readonly segment?: number;
  readonly state?: StateRows;
}

export interface InferenceCall extends BatchTensors {
  readonly id: number;
  readonly model: string;
}

/** Ends the thread when the batch in hand is done: one that is ended inside the model may take the process with it. */
export interface CloseCall {
  readonly close: true;
}

export type InferenceReply =
  /** `values` is `[batch]` for logits, `[batch, width]` for vectors; `ranAt` is when the model began, in epoch milliseconds. */
  | { readonly id: number; readonly values: Float32Array; readonly width: number; readonly runMs: number; readonly ranAt: number }
  | { readonly id: number; readonly error: string; /** Nothing ran: segments could not be loaded. */ readonly atLoad?: true };

export type InferenceMessage = { readonly ready: true } | InferenceReply;
