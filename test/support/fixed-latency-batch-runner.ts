import type { BatchOutput, BatchRunner, PaddedBatch } from '@rerank-fleet/worker/pipeline/batch-runner';

export interface FixedLatencyOptions {
  /** Milliseconds each batch takes, or those of a batch. @defaultValue 1 */
  readonly latencyMs?: number | ((batch: PaddedBatch) => number);
  /** A batch with a row that holds this id fails. */
  readonly failingId?: number;
  /** What else a batch fails with, if it does. */
  readonly fault?: (batch: PaddedBatch) => Error | undefined;
  /** A row that holds this id gets a score that is not a number. */
  readonly notANumberId?: number;
  /** A batch with a row that holds this id has no number for a score in any of its rows, as with one scale for all of them. */
  readonly spoilingId?: number;
}

/** A model whose score of a sequence is the sum of its ids, after a fixed time. It remembers what it ran. */
export class FixedLatencyBatchRunner implements BatchRunner {
  /** Rows of each batch, without padding, as they came; failed batches included. */
  readonly batches: { readonly model: string; readonly rows: readonly (readonly number[])[] }[] = [];
  readonly #options: FixedLatencyOptions;
  #running = false;

  constructor(options: FixedLatencyOptions = {}) {
    this.#options = options;
  }

  async run(batch: PaddedBatch): Promise<BatchOutput> {
    const { latencyMs: latency = 1, failingId, notANumberId, spoilingId, fault } = this.#options;
    const latencyMs = typeof latency === 'number' ? latency : latency(batch);
    if (this.#running) throw new Error('A runner was given a batch while it ran another.');
    const rows = Array.from({ length: batch.batch }, (_, row) => rowOf(batch, row));
    this.batches.push({ model: batch.model, rows });
    this.#running = true;
    // The global timer, so that a test may run in virtual time.
    await new Promise((resolve) => setTimeout(resolve, latencyMs));
    this.#running = false;
    if (failingId !== undefined && rows.some((row) => row.includes(failingId))) throw new Error('the model failed');
    const other = fault?.(batch);
    if (other !== undefined) throw other;
    const spoilt = spoilingId !== undefined && rows.some((row) => row.includes(spoilingId));
    const score = (row: readonly number[]): number =>
      spoilt || (notANumberId !== undefined && row.includes(notANumberId)) ? Number.NaN : row.reduce((sum, id) => sum + id, 0);
    return { values: Float32Array.from(rows, score), width: 1, runMs: latencyMs };
  }
}

function rowOf({ inputIds, attentionMask, sequence }: PaddedBatch, row: number): number[] {
  const positions = Array.from({ length: sequence }, (_, position) => row * sequence + position);
  return positions.filter((position) => attentionMask[position] === 1n).map((position) => Number(inputIds[position]));
}
