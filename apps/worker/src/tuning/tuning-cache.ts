import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Hardware } from './hardware.js';

/** Another way to measure or to choose makes old choices void. */
const TUNING_VERSION = 1;

export interface TuningKey {
  /** sha256 of the model. */
  readonly model: string;
  readonly hardware: Hardware;
  readonly onnxruntime: string;
  /** Set by configuration, so not up to choice. */
  readonly pinnedSplit: { readonly sessions: number; readonly intraOpThreads: number } | undefined;
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
    const hash = createHash('sha256').update(JSON.stringify(this.#key)).digest('hex');
    this.path = join(cacheDirectory, 'tuning', `${hash.slice(0, 32)}.json`);
  }

  /** Undefined where there is none; a file that cannot be read or is damaged counts as none. */
  async read(): Promise<TuningRecord | undefined> {
    try {
      const parsed = recordSchema.safeParse(JSON.parse(await readFile(this.path, 'utf8')));
      return parsed.success ? parsed.data : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whole or not at all; workers that start side by side may write the same file. The key is in it for people. */
  async write(record: TuningRecord): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true });
    const staged = `${this.path}.${randomUUID()}`;
    try {
      await writeFile(staged, `${JSON.stringify({ v: TUNING_VERSION, ...record, key: this.#key }, undefined, 2)}\n`);
      await rename(staged, this.path);
    } finally {
      await rm(staged, { force: true });
    }
  }
}
