import { z } from 'zod';
import type { Split } from './engine-shape.js';
import type { Hardware } from './hardware.js';
import { readKept, tuningPath, writeKept } from './kept-file.js';

/** Another way to measure or to choose makes old choices void. */
const TUNING_VERSION = 1;

export interface TuningKey {
  /** sha256 of the model. */
  readonly model: string;
  /** Name of the faster variant that is timed in place of the file. */
  readonly variant?: string | undefined;
  readonly hardware: Hardware;
  readonly onnxruntime: string;
  /** Set by configuration or chosen for another model, so not up to choice. */
  readonly pinnedSplit: Split | undefined;
}

const count = z.int().positive();

const recordSchema = z.object({
  v: z.literal(TUNING_VERSION),
  max_batch_tokens: count,
  sessions: count,
  intra_op_threads: count,
  /** False where too little could be timed: the defaults, which are not kept. */
  tuned: z.boolean(),
  figures: z.array(
    z.object({ max_batch_tokens: count, sessions: count, intra_op_threads: count, tokens_per_s: z.number().nonnegative(), rounds: count }),
  ),
});

export type TuningRecord = Omit<z.infer<typeof recordSchema>, 'v'>;

/** What was chosen before, a file a key. It can be deleted at any time: the next start measures again. */
export class TuningCache {
  readonly path: string;
  readonly #key: object;

  constructor(cacheDirectory: string, key: TuningKey) {
    this.#key = { v: TUNING_VERSION, ...key };
    this.path = tuningPath(cacheDirectory, this.#key, 'json');
  }

  async read(): Promise<TuningRecord | undefined> {
    return await readKept(this.path, recordSchema);
  }

  /** The key is in it for people. */
  async write(record: TuningRecord): Promise<void> {
    await writeKept(this.path, { v: TUNING_VERSION, ...record, key: this.#key });
  }
}

export interface BoundKey {
  /** sha256 of the model. */
  readonly model: string;
  readonly hardware: Hardware;
  /** What this process may use: with more, the bound is void. */
  readonly memoryBytes: number;
}

const boundSchema = z.object({ max_batch_tokens: count });

/**
 * The budget below which batches of a model fitted into this machine's memory, kept once a larger one did not. It outlives a choice: another onnxruntime,
 * another split and a new measurement all begin below it.
 */
export class MemoryBound {
  readonly path: string;
  readonly #key: object;
  #written: Promise<void> = Promise.resolve();

  constructor(cacheDirectory: string, key: BoundKey) {
    this.#key = key;
    this.path = tuningPath(cacheDirectory, key, 'bound.json');
  }

  /** Padded tokens; undefined where nothing ever failed. */
  async read(): Promise<number | undefined> {
    return (await readKept(this.path, boundSchema))?.max_batch_tokens;
  }

  /** One write after the other. A lower bound that is there, of another worker on this machine, stays. */
  async write(maxBatchTokens: number): Promise<void> {
    const write = async (): Promise<void> => {
      const known = (await this.read()) ?? Infinity;
      if (maxBatchTokens < known) await writeKept(this.path, { max_batch_tokens: maxBatchTokens, key: this.#key });
    };
    this.#written = this.#written.then(write, write);
    await this.#written;
  }
}
