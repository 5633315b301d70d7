import { z } from 'zod';
import { SEGMENTS_VERSION } from '../exits/segment-set.js';
import type { Split } from './engine-shape.js';
import type { Hardware } from './hardware.js';
import { readKept, tuningPath, writeKept } from './kept-file.js';

/** Another way to measure or to choose makes old choices void. */
const SEGMENT_TUNING_VERSION = 1;

export interface SegmentTuningKey {
  /** sha256 of the model. */
  readonly model: string;
  /** Name of the faster variant whose segments are timed in place of the file's. */
  readonly variant?: string | undefined;
  readonly cuts: readonly number[];
  readonly hardware: Hardware;
  readonly onnxruntime: string;
  readonly split: Split;
  /** Budget of the whole model: others are judged by it. */
  readonly maxBatchTokens: number;
}

const count = z.int().positive();
const segmentSchema = z.object({
  max_batch_tokens: count,
  /** False where too little could be timed: the whole model's budget. */
  tuned: z.boolean(),
  figures: z.array(z.object({ max_batch_tokens: count, tokens_per_s: z.number().nonnegative(), rounds: count })),
});
const fileSchema = z.object({
  v: z.literal(SEGMENT_TUNING_VERSION),
  attempts: count,
  tried_at: z.number(),
  segments: z.array(segmentSchema),
});
/** Starts that may try at once, and a day later again: one on a busy machine decides nothing, and a model that always takes too long does not cost every start its time. */
const MOST_ATTEMPTS = 3;
const PAUSE_MS = 24 * 3_600_000;

/** What was chosen for one segment. */
export type SegmentRecord = z.infer<typeof segmentSchema>;

/** What was chosen for the segments of a model, a file a key. It can be deleted at any time: the next start measures again. */
export class SegmentTuningCache {
  readonly path: string;
  readonly #key: SegmentTuningKey & { readonly v: number; readonly cut: number };
  #attempts = 0;

  constructor(cacheDirectory: string, key: SegmentTuningKey) {
    this.#key = { v: SEGMENT_TUNING_VERSION, cut: SEGMENTS_VERSION, ...key };
    this.path = tuningPath(cacheDirectory, this.#key, 'segments.json');
  }

  /** In the order of the layers; undefined where they are to be timed. */
  async read(): Promise<readonly SegmentRecord[] | undefined> {
    const kept = await readKept(this.path, fileSchema);
    if (kept?.segments.length !== this.#key.cuts.length + 1) return undefined;
    this.#attempts = kept.attempts;
    const isPaused = kept.attempts >= MOST_ATTEMPTS && Date.now() - kept.tried_at < PAUSE_MS;
    return isTuned(kept.segments) || isPaused ? kept.segments : undefined;
  }

  /** The key is in it for people. */
  async write(segments: readonly SegmentRecord[]): Promise<void> {
    this.#attempts += 1;
    const tried = { attempts: this.#attempts, tried_at: Date.now() };
    await writeKept(this.path, { v: SEGMENT_TUNING_VERSION, ...tried, segments, key: this.#key });
  }
}

export const isTuned = (segments: readonly SegmentRecord[]): boolean => segments.some(({ tuned }) => tuned);
