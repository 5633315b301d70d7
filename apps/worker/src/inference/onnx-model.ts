import { InferenceSession, Tensor } from 'onnxruntime-node';
import { InvariantError } from '@rerank-fleet/core/errors';
import type { BatchTensors, InferenceModel, InferenceThreadData } from './inference-messages.js';
import { poolHiddenState } from './pool-hidden-state.js';

export interface ModelOutput {
  readonly values: Float32Array;
  readonly width: number;
}

/** What a session is made of. */
export interface SessionSource extends Pick<InferenceModel, 'onnxPath' | 'output'> {
  readonly withoutOptimizers?: readonly string[];
}

/** A session on one thread. `run` blocks the thread: onnxruntime-node computes in the caller's event loop. */
export class OnnxModel {
  readonly #session: InferenceSession;
  readonly #output: InferenceModel['output'];

  private constructor(session: InferenceSession, output: InferenceModel['output']) {
    this.#session = session;
    this.#output = output;
  }

  static async load(model: SessionSource, options: Pick<InferenceThreadData, 'device' | 'intraOpThreads'>): Promise<OnnxModel> {
    const session = await InferenceSession.create(model.onnxPath, sessionOptions(options, model.withoutOptimizers));
    try {
      assertLabel(session.outputMetadata, model.output);
    } catch (error) {
      await session.release();
      throw error;
    }
    return new OnnxModel(session, model.output);
  }

  async run(batch: BatchTensors): Promise<ModelOutput> {
    const shape = [batch.batch, batch.sequence];
    const tensors: Record<string, BigInt64Array> = {
      input_ids: batch.inputIds,
      attention_mask: batch.attentionMask,
      token_type_ids: batch.tokenTypeIds,
    };
    const feeds = this.#session.inputNames.map((name) => {
      const values = tensors[name];
      if (values === undefined) throw new InvariantError(`The model wants an input "${name}" that no supported layout has.`);
      return [name, new Tensor('int64', values, shape)] as const;
    });
    const results = await this.#session.run(Object.fromEntries(feeds));
    const output = this.#outputTensor(results);
    const values = toFloat32(output);
    const released =
      this.#output.kind === 'logit' ? logitsOf(values, output.dims, this.#output.labelIndex) : this.#vectors(values, output.dims, batch);
    freeTensor(output);
    return released;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }

  #outputTensor(results: InferenceSession.OnnxValueMapType): Tensor {
    const names = this.#output.kind === 'logit' ? ['logits'] : ['last_hidden_state', 'sentence_embedding', 'token_embeddings'];
    const name = names.find((candidate) => candidate in results) ?? this.#session.outputNames[0];
    const output = name === undefined ? undefined : results[name];
    if (!(output instanceof Tensor)) throw new InvariantError('The model gave no output tensor.');
    return output;
  }

  #vectors(values: Float32Array, dims: readonly number[], batch: BatchTensors): ModelOutput {
    if (this.#output.kind !== 'vector') throw new InvariantError('A cross-encoder was asked for vectors.');
    const hidden = dims.at(-1) ?? 0;
    if (dims.length === 2) return { values: Float32Array.from(values), width: hidden };
    const state = { values, batch: batch.batch, sequence: batch.sequence, hidden };
    return { values: poolHiddenState(state, batch.attentionMask, this.#output.pooling, this.#output.normalize), width: hidden };
  }
}

export function sessionOptions(
  { device, intraOpThreads }: Pick<InferenceThreadData, 'device' | 'intraOpThreads'>,
  withoutOptimizers: readonly string[] = [],
): InferenceSession.SessionOptions {
  return {
    // Only the provider that was asked for: onnxruntime would fall back to the CPU without a word.
    executionProviders: [device],
    intraOpNumThreads: intraOpThreads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    ...(withoutOptimizers.length === 0 ? {} : { extra: { optimization: { disable_specified_optimizers: withoutOptimizers.join(';') } } }),
  };
}

/** Where the graph says how many labels it has, the worker refuses to start with one that is not there, or with several and none configured. */
function assertLabel(outputs: readonly InferenceSession.ValueMetadata[], output: InferenceModel['output']): void {
  if (output.kind !== 'logit') return;
  const logits = outputs.find(({ name }) => name === 'logits') ?? outputs[0];
  const labels = logits?.isTensor === true ? logits.shape[1] : undefined;
  if (typeof labels === 'number') offsetOf(output.labelIndex, labels);
}

/** Position of the label's logit among those of a sequence. */
function offsetOf(labelIndex: number | undefined, labels: number): number {
  if (labels === 1) return 0;
  if (labelIndex !== undefined && labelIndex < labels) return labelIndex;
  const wrong = labelIndex === undefined ? 'does not say which of them counts' : `names number ${labelIndex}, counted from 0`;
  throw new Error(`The model has ${labels} output labels, and "id2label" of its config.json ${wrong}: name one of them "relevant" there.`);
}

/** `[batch, labels]` or `[batch]` → the configured label's logit of each sequence. */
export function logitsOf(values: Float32Array, dims: readonly number[], labelIndex: number | undefined): ModelOutput {
  const labels = dims[1] ?? 1;
  const offset = offsetOf(labelIndex, labels);
  if (labels === 1) return { values: Float32Array.from(values), width: 1 };
  const logits = new Float32Array(values.length / labels);
  for (let row = 0; row < logits.length; row += 1) logits[row] = values[row * labels + offset] ?? Number.NaN;
  return { values: logits, width: 1 };
}

/** Gives its memory back at once. Left to the garbage collector, hidden states make it run every dozen batches, and each comes in memory that is touched for the first time. */
export function freeTensor(tensor: Tensor): void {
  const { data } = tensor;
  tensor.dispose();
  if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer) data.buffer.transfer(0);
}

/** fp16 models answer in a Float16Array, or its bits where the runtime has no such class. */
export function toFloat32(tensor: Tensor): Float32Array {
  const values = tensor.data;
  if (values instanceof Float32Array) return values;
  if (tensor.type === 'float16' && typeof values !== 'string' && !Array.isArray(values)) {
    const bits = values as Uint16Array;
    const halves =
      bits instanceof Uint16Array ? new Float16Array(bits.buffer, bits.byteOffset, bits.length) : (bits as unknown as Float16Array);
    return Float32Array.from(halves);
  }
  throw new InvariantError(`The model's output has type ${tensor.type}, not a float.`);
}
