import type { PaddedBatch } from '../pipeline/batch-runner.js';

/** One row of the first batch that each model ran, to try again where a model fails on everything: what ran once fails for no fault of its own. */
export class KnownBatches {
  readonly #rows = new Map<string, PaddedBatch>();

  /** A copy of the first row, where none is known of its model; the buffers of the batch are about to move. */
  sampleOf(batch: PaddedBatch): PaddedBatch | undefined {
    return batch.segment !== undefined || this.#rows.has(batch.model) ? undefined : firstRowOf(batch);
  }

  remember(row: PaddedBatch): void {
    if (!this.#rows.has(row.model)) this.#rows.set(row.model, row);
  }

  /** As it was, in buffers that may move. */
  of(model: string): PaddedBatch | undefined {
    const row = this.#rows.get(model);
    return row && firstRowOf(row);
  }
}

function firstRowOf({ model, sequence, inputIds, attentionMask, tokenTypeIds }: PaddedBatch): PaddedBatch {
  const row = (tensor: BigInt64Array): BigInt64Array => tensor.slice(0, sequence);
  return { model, batch: 1, sequence, inputIds: row(inputIds), attentionMask: row(attentionMask), tokenTypeIds: row(tokenTypeIds) };
}
