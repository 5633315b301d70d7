import { RerankError, invariant } from '@rerank-fleet/core/errors';
import { pagesFor } from './state-pages.js';

/** Of a batch of one segment of a model: where the hidden states of its pairs lie, row by row. */
export interface StateRows {
  /** Tokens of each row. */
  readonly lengths: Int32Array;
  /** Pages of the rows, one after the other: as many each as its tokens need. */
  readonly pages: Int32Array;
  /** Four positions each: start and end of the query, start and end of the passage. */
  readonly spans: Int32Array;
}

/** A padded batch of one model, `[batch, sequence]` in row-major order; its buffers move to the runner. */
export interface PaddedBatch {
  /** sha256 of the model. */
  readonly model: string;
  /** Absent: the whole model runs. Else the one segment, counted from 0; segments after the first take no token ids, but the hidden states of `state`. */
  readonly segment?: number;
  readonly state?: StateRows;
  readonly batch: number;
  readonly sequence: number;
  readonly inputIds: BigInt64Array;
  readonly attentionMask: BigInt64Array;
  readonly tokenTypeIds: BigInt64Array;
  /** Scores are to equal the reference implementation's: no faster variant of the model will do. @defaultValue false */
  readonly reference?: boolean;
}

export interface BatchOutput {
  /** `[batch, width]`: logits and predicted logits have width 1, vectors their dimensions. */
  readonly values: Float32Array;
  readonly width: number;
  /** Milliseconds inside the model. */
  readonly runMs: number;
  /** Epoch milliseconds at which the model began, by the thread's own clock. */
  readonly ranAt?: number;
}

const FAULTS = {
  'thread-lost': { code: 'internal_error', detail: 'The inference thread ended under a batch.' },
  'out-of-memory': { code: 'out_of_memory', detail: 'The worker has too little memory to run one of the texts, even alone.' },
} as const;

/** A batch failed, and none of its texts need be the cause: the thread under it ended, or it did not fit into memory. */
export class RunnerFault extends RerankError {
  constructor(
    readonly reason: keyof typeof FAULTS,
    cause: string,
  ) {
    super(FAULTS[reason].code, FAULTS[reason].detail, { cause });
  }
}

/** One sequence of a call is to blame, and no other: it failed alone. */
export class SequenceFault extends RerankError {
  constructor(
    /** Its position in the call. */
    readonly sequence: number,
    fault: RerankError,
  ) {
    super(fault.code, fault.detail, { cause: fault.cause });
  }
}

/** The segments of a model could not be loaded where a batch of one was to run. No batch was too large for the memory, so no smaller one would pass. */
export class SegmentsNotLoaded extends RerankError {
  constructor(cause: string) {
    super('model_unavailable', 'The segments of the model cannot be loaded.', { cause });
  }
}

/** The fault of the runner, if it was none of a text. A RangeError is of the buffers that a batch is padded into. */
export function faultOfRunner(error: unknown): RunnerFault | undefined {
  if (error instanceof RangeError) return new RunnerFault('out-of-memory', error.message);
  return error instanceof RunnerFault ? error : undefined;
}

/** Runs one batch at a time, in the order in which they come. Rejects when the batch failed, with a `RunnerFault` when that says nothing of its texts: the batch may be tried again. */
export interface BatchRunner {
  /** It takes a second batch while it runs one, and begins with it at once when that is done. @defaultValue false */
  readonly takesAhead?: boolean;
  run(batch: PaddedBatch): Promise<BatchOutput>;
}

/** Token ids of one framed text or pair. */
export interface TokenSequence {
  readonly ids: Int32Array;
  readonly typeIds: Uint8Array;
  /** Where the pair runs segment by segment. */
  readonly state?: SequenceState;
}

export interface SequenceState {
  /** Page numbers, in the order of its tokens. */
  readonly pages: Int32Array;
  /** Start and end of the query's tokens, start and end of the passage's. */
  readonly span: readonly [number, number, number, number];
}

/** What runs a batch: a model, or one segment of it. */
export interface BatchTarget {
  /** sha256 of the model. */
  readonly model: string;
  readonly segment?: number;
}

/**
 * Pads sequences to the longest. Token ids go through an Int32Array view over the int64 buffer (little-endian, upper half zero): writing BigInts
 * is several times slower. Padding has mask 0, so the id under it is without effect.
 */
export function padBatch(model: string, sequences: readonly TokenSequence[], segment?: number): PaddedBatch {
  const sequence = sequences.reduce((longest, { ids }) => Math.max(longest, ids.length), 0);
  const batch = sequences.length;
  const takesIds = (segment ?? 0) === 0;
  const inputIds = new BigInt64Array(takesIds ? batch * sequence : 0);
  const attentionMask = new BigInt64Array(batch * sequence);
  const tokenTypeIds = new BigInt64Array(takesIds ? batch * sequence : 0);
  const [idHalves, maskHalves, typeHalves] = [inputIds, attentionMask, tokenTypeIds].map((tensor) => new Int32Array(tensor.buffer)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  sequences.forEach(({ ids, typeIds }, row) => {
    for (let position = 0, half = row * sequence * 2; position < ids.length; position += 1, half += 2) {
      maskHalves[half] = 1;
      if (!takesIds) continue;
      idHalves[half] = ids[position]!;
      typeHalves[half] = typeIds[position]!;
    }
  });
  const part = segment === undefined ? {} : { segment, state: stateRows(sequences) };
  return { model, ...part, batch, sequence, inputIds, attentionMask, tokenTypeIds };
}

function stateRows(sequences: readonly TokenSequence[]): StateRows {
  const lengths = Int32Array.from(sequences, ({ ids }) => ids.length);
  const pages = new Int32Array(lengths.reduce((sum, length) => sum + pagesFor(length), 0));
  const spans = new Int32Array(sequences.length * 4);
  let next = 0;
  sequences.forEach(({ state }, row) => {
    invariant(state, 'A pair without room for its hidden state was sent to a segment.');
    pages.set(state.pages, next);
    next += state.pages.length;
    spans.set(state.span, row * 4);
  });
  return { lengths, pages, spans };
}
