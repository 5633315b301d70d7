import { RerankError } from '@rerank-fleet/core/errors';

/** A padded batch of one model, `[batch, sequence]` in row-major order; its buffers move to the runner. */
export interface PaddedBatch {
  /** sha256 of the model. */
  readonly model: string;
  readonly batch: number;
  readonly sequence: number;
  readonly inputIds: BigInt64Array;
  readonly attentionMask: BigInt64Array;
  readonly tokenTypeIds: BigInt64Array;
  /** Scores are to equal the reference implementation's: no faster variant of the model will do. @defaultValue false */
  readonly reference?: boolean;
}

export interface BatchOutput {
  /** `[batch, width]`: logits have width 1, vectors their dimensions. */
  readonly values: Float32Array;
  readonly width: number;
  /** Milliseconds inside the model. */
  readonly runMs: number;
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

/** The fault of the runner, if it was none of a text. A RangeError is of the buffers that a batch is padded into. */
export function faultOfRunner(error: unknown): RunnerFault | undefined {
  if (error instanceof RangeError) return new RunnerFault('out-of-memory', error.message);
  return error instanceof RunnerFault ? error : undefined;
}

/** Runs one batch at a time. Rejects when the batch failed, with a `RunnerFault` when that says nothing of its texts: the batch may be tried again. */
export interface BatchRunner {
  run(batch: PaddedBatch): Promise<BatchOutput>;
}

/** Token ids of one framed text or pair. */
export interface TokenSequence {
  readonly ids: Int32Array;
  readonly typeIds: Uint8Array;
}

/**
 * Pads sequences to the longest. Token ids go through an Int32Array view over the int64 buffer (little-endian, upper half zero): writing BigInts
 * is several times slower. Padding has mask 0, so the id under it is without effect.
 */
export function padBatch(model: string, sequences: readonly TokenSequence[]): PaddedBatch {
  const sequence = sequences.reduce((longest, { ids }) => Math.max(longest, ids.length), 0);
  const batch = sequences.length;
  const inputIds = new BigInt64Array(batch * sequence);
  const attentionMask = new BigInt64Array(batch * sequence);
  const tokenTypeIds = new BigInt64Array(batch * sequence);
  const [idHalves, maskHalves, typeHalves] = [inputIds, attentionMask, tokenTypeIds].map((tensor) => new Int32Array(tensor.buffer)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  sequences.forEach(({ ids, typeIds }, row) => {
    for (let position = 0, half = row * sequence * 2; position < ids.length; position += 1, half += 2) {
      idHalves[half] = ids[position]!;
      maskHalves[half] = 1;
      typeHalves[half] = typeIds[position]!;
    }
  });
  return { model, batch, sequence, inputIds, attentionMask, tokenTypeIds };
}
