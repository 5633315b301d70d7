import { existsSync } from 'node:fs';
import { invariant } from '@rerank-fleet/core/errors';
import { ExitHeads } from '../exits/exit-heads.js';
import { openSegmentsInProcess } from '../exits/open-segments-in-process.js';
import type { BatchTensors, InferenceModel, InferenceThreadData } from './inference-messages.js';
import { LoadError, LoadLate } from './load-late.js';
import { OnnxModel, type ModelOutput } from './onnx-model.js';
import { SegmentSessions } from './segment-sessions.js';

interface Options extends Pick<InferenceThreadData, 'device' | 'intraOpThreads'> {
  /** Milliseconds, monotonic. @defaultValue `performance.now` */
  readonly now?: () => number;
}

/** After segments could not be loaded: what takes as much memory as the model is not tried with every batch that is on its way yet. */
const SEGMENTS_PAUSE_MS = 60_000;

/**
 * A model on one thread. Where it has a faster variant, the file itself is loaded with the first batch that asks for it, and so are the segments: most workers
 * never need them all.
 */
export class ModelVariants {
  readonly #usual: OnnxModel;
  readonly #reference: LoadLate<OnnxModel>;
  readonly #segments: LoadLate<SegmentSessions>;

  private constructor(usual: OnnxModel, model: InferenceModel, { now, ...options }: Options) {
    const { fast, segmented: _, ...file } = model;
    this.#usual = usual;
    this.#reference = new LoadLate(() => (fast === undefined ? Promise.resolve(usual) : OnnxModel.load(file, options)));
    const pause = { pauseMs: SEGMENTS_PAUSE_MS, ...(now === undefined ? {} : { now }) };
    this.#segments = new LoadLate(() => loadSegments(model, options), pause);
  }

  static async load(model: InferenceModel, options: Options): Promise<ModelVariants> {
    return new ModelVariants(await OnnxModel.load({ ...model, ...model.fast }, options), model, options);
  }

  /** @throws LoadError where segments cannot be loaded, at once for a minute after that */
  async run(batch: BatchTensors): Promise<ModelOutput> {
    if (batch.segment !== undefined) return await (await this.#segments.get()).run(batch);
    return await (batch.reference === true ? await this.#reference.get() : this.#usual).run(batch);
  }

  async release(): Promise<void> {
    await this.#usual.release();
    const reference = await this.#reference.ifLoaded();
    if (reference !== this.#usual) await reference?.release();
    await (await this.#segments.ifLoaded())?.release();
  }
}

async function loadSegments({ segmented, fast, onnxPath, output }: InferenceModel, options: Options): Promise<SegmentSessions> {
  invariant(segmented, 'A batch of a segment was sent to a model that has none.');
  const { segments, cuts, cacheDirectory, heads } = segmented;
  try {
    // Whoever cleans the cache may have taken them since the start.
    if (!segments.every(({ path }) => existsSync(path)))
      await openSegmentsInProcess({ onnxPath: fast?.onnxPath ?? onnxPath, cuts, cacheDirectory });
    return await SegmentSessions.load(segmented, { ...options, output, predictor: new ExitHeads(heads) });
  } catch (error) {
    throw new LoadError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
