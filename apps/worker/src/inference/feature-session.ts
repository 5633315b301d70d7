import { InferenceSession, Tensor } from 'onnxruntime-node';
import { InvariantError } from '@rerank-fleet/core/errors';
import { encodeFeatureGraph, FEATURE_INPUTS, FEATURE_OUTPUT } from '../exits/feature-graph.js';
import { featureInputs, type BatchTexts } from '../exits/feature-inputs.js';
import { freeTensor, sessionOptions, toFloat32 } from './onnx-model.js';

/** Makes of a batch's hidden state what heads predict from. Always on the CPU, where hidden states are between two segments. */
export class FeatureSession {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** @param width of the hidden state */
  static async load(width: number): Promise<FeatureSession> {
    return new FeatureSession(
      await InferenceSession.create(encodeFeatureGraph(width), sessionOptions({ device: 'cpu', intraOpThreads: 1 })),
    );
  }

  /** Features of each row, `[batch, features]` in row-major order, from a hidden state float32 `[batch, sequence, width]`, which stays as it is. */
  async run(hidden: Tensor, texts: BatchTexts): Promise<Float32Array> {
    const { batch, sequence } = texts;
    const { queryEnd, queryShare, passageShare, queryBar, passageBar, lengths } = featureInputs(texts);
    const floats = (values: Float32Array, ...dims: number[]): Tensor => new Tensor('float32', values, dims);
    const results = await this.#session.run({
      [FEATURE_INPUTS.hidden]: hidden,
      [FEATURE_INPUTS.queryEnd]: new Tensor('int64', BigInt64Array.of(BigInt(queryEnd)), [1]),
      [FEATURE_INPUTS.queryShare]: floats(queryShare, batch, 1, queryEnd),
      [FEATURE_INPUTS.passageShare]: floats(passageShare, batch, 1, sequence),
      [FEATURE_INPUTS.queryBar]: floats(queryBar, batch, queryEnd, 1),
      [FEATURE_INPUTS.passageBar]: floats(passageBar, batch, 1, sequence),
      [FEATURE_INPUTS.lengths]: floats(lengths, batch, 1, 2),
    });
    const made = results[FEATURE_OUTPUT];
    if (!(made instanceof Tensor)) throw new InvariantError('The feature graph gave no output tensor.');
    const features = Float32Array.from(toFloat32(made));
    freeTensor(made);
    return features;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
