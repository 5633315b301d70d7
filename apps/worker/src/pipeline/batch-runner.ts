/** A padded batch of one model, `[batch, sequence]` in row-major order; its buffers move to the runner. */
export interface PaddedBatch {
  /** sha256 of the model. */
  readonly model: string;
  readonly batch: number;
  readonly sequence: number;
  readonly inputIds: BigInt64Array;
  readonly attentionMask: BigInt64Array;
  readonly tokenTypeIds: BigInt64Array;
}

export interface BatchOutput {
  /** `[batch, width]`: logits have width 1, vectors their dimensions. */
  readonly values: Float32Array;
  readonly width: number;
  /** Milliseconds inside the model. */
  readonly runMs: number;
}

/** Runs one batch at a time. Rejects when the batch, or the thread under it, failed: the batch may be tried again. */
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
