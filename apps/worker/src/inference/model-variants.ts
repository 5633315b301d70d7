import { invariant } from '@rerank-fleet/core/errors';
import { readExitHeads } from '../exits/exit-heads-file.js';
import type { BatchTensors, InferenceModel, InferenceThreadData } from './inference-messages.js';
import { OnnxModel, type ModelOutput } from './onnx-model.js';
import { SegmentSessions } from './segment-sessions.js';

type Options = Pick<InferenceThreadData, 'device' | 'intraOpThreads'>;

/** Loads when it is first asked for; after a failure it is tried again, as there may be room later. */
class Late<T> {
  readonly #load: () => Promise<T>;
  #loaded: Promise<T> | undefined;

  constructor(load: () => Promise<T>) {
    this.#load = load;
  }

  async get(): Promise<T> {
    this.#loaded ??= this.#load();
    return await this.#loaded.catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
  }

  async ifLoaded(): Promise<T | undefined> {
    return await this.#loaded?.catch(() => undefined);
  }
}

/**
 * A model on one thread. Where it has a faster variant, the file itself is loaded with the first batch that asks for it, and so are the segments: most workers
 * never need them all.
 */
export class ModelVariants {
  readonly #usual: OnnxModel;
  readonly #reference: Late<OnnxModel>;
  readonly #segments: Late<SegmentSessions>;

  private constructor(usual: OnnxModel, model: InferenceModel, options: Options) {
    const { fast, segmented, ...file } = model;
    this.#usual = usual;
    this.#reference = new Late(() => (fast === undefined ? Promise.resolve(usual) : OnnxModel.load(file, options)));
    this.#segments = new Late(async () => {
      invariant(segmented, 'A batch of a segment was sent to a model that has none.');
      const predictor = await readExitHeads(segmented.headsPath);
      return await SegmentSessions.load(segmented, { ...options, output: model.output, predictor });
    });
  }

  static async load(model: InferenceModel, options: Options): Promise<ModelVariants> {
    return new ModelVariants(await OnnxModel.load({ ...model, ...model.fast }, options), model, options);
  }

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
