import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchOutput, BatchRunner, PaddedBatch } from '@rerank-fleet/worker/pipeline/batch-runner';
import type { EncodedPairs, EncodedSequences, EncodePairsRequest, SequenceEncoder } from '@rerank-fleet/worker/pipeline/sequence-encoder';

export interface FakeModelShape {
  /** Milliseconds of a batch, however many pairs it has. */
  readonly latencyMs: number;
  /** Pairs of a full batch. */
  readonly batchPairs: number;
  /** Tokens of every pair. */
  readonly pairTokens: number;
}

/** A model that takes the same time for every batch, as a GPU with room to spare does. */
export class FixedLatencyRunner implements BatchRunner {
  readonly #latencyMs: number;
  batches = 0;
  pairs = 0;
  /** Milliseconds that timers fired late: the simulation's own fault, as its workers share their cores. */
  lateMs = 0;

  constructor({ latencyMs }: Pick<FakeModelShape, 'latencyMs'>) {
    this.#latencyMs = latencyMs;
  }

  async run({ batch, sequence, inputIds }: PaddedBatch): Promise<BatchOutput> {
    const began = performance.now();
    await sleep(this.#latencyMs);
    this.lateMs += performance.now() - began - this.#latencyMs;
    this.batches += 1;
    this.pairs += batch;
    const values = Float32Array.from({ length: batch }, (_, row) => Number(inputIds[(row + 1) * sequence - 1]) % 16);
    return { values, width: 1, runMs: this.#latencyMs };
  }
}

/** Stands for the tokenizer: every pair has the same number of tokens, the last of which is of its text. */
export class FixedLengthEncoder implements SequenceEncoder {
  readonly #tokens: number;

  constructor({ pairTokens }: Pick<FakeModelShape, 'pairTokens'>) {
    this.#tokens = pairTokens;
  }

  encodePairs(_model: string, { passages }: EncodePairsRequest): Promise<EncodedPairs> {
    return Promise.resolve(this.#encode(passages));
  }

  encodeTexts(_model: string, texts: readonly string[]): Promise<EncodedSequences> {
    return Promise.resolve(this.#encode(texts));
  }

  countTokens(_model: string, texts: readonly string[]): Promise<Int32Array> {
    return Promise.resolve(new Int32Array(texts.length).fill(this.#tokens));
  }

  #encode(texts: readonly string[]): EncodedSequences {
    const tokens = this.#tokens;
    const ids = new Int32Array(texts.length * tokens).fill(7);
    for (const [row, text] of texts.entries()) ids[(row + 1) * tokens - 1] = text.charCodeAt(text.length - 1);
    return {
      ids,
      typeIds: new Uint8Array(ids.length),
      lengths: new Int32Array(texts.length).fill(tokens),
      truncated: new Uint8Array(texts.length),
    };
  }
}
