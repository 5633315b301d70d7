import type { BatchTensors, InferenceModel, InferenceThreadData } from './inference-messages.js';
import { OnnxModel, type ModelOutput } from './onnx-model.js';

type Options = Pick<InferenceThreadData, 'device' | 'intraOpThreads'>;

/** A model on one thread. Where it has a faster variant, the file itself is loaded with the first batch that asks for it: most workers never need both. */
export class ModelVariants {
  readonly #usual: OnnxModel;
  readonly #loadReference: () => Promise<OnnxModel>;
  #reference: Promise<OnnxModel> | undefined;

  private constructor(usual: OnnxModel, loadReference: () => Promise<OnnxModel>) {
    this.#usual = usual;
    this.#loadReference = loadReference;
  }

  static async load(model: InferenceModel, options: Options): Promise<ModelVariants> {
    const { fast, ...file } = model;
    if (fast !== undefined)
      return new ModelVariants(await OnnxModel.load({ ...file, ...fast }, options), () => OnnxModel.load(file, options));
    const session = await OnnxModel.load(file, options);
    return new ModelVariants(session, () => Promise.resolve(session));
  }

  async run(batch: BatchTensors): Promise<ModelOutput> {
    if (batch.reference !== true) return await this.#usual.run(batch);
    this.#reference ??= this.#loadReference();
    const reference = await this.#reference.catch((error: unknown) => {
      // There may be room for it later.
      this.#reference = undefined;
      throw error;
    });
    return await reference.run(batch);
  }

  async release(): Promise<void> {
    await this.#usual.release();
    const reference = await this.#reference?.catch(() => undefined);
    if (reference !== undefined && reference !== this.#usual) await reference.release();
  }
}
