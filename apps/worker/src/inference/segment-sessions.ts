import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { InvariantError, invariant } from '@rerank-fleet/core/errors';
import type { ExitPredictor } from '../exits/exit-predictor.js';
import { featureCount } from '../exits/pair-features.js';
import { HIDDEN_INPUT, type Segment } from '../exits/segment-set.js';
import { PAGE_TOKENS, pagesFor } from '../pipeline/state-pages.js';
import type { FeatureSession } from './feature-session.js';
import type { BatchTensors, InferenceModel, InferenceThreadData, SegmentedModel } from './inference-messages.js';
import { loadSessions, type LoadedSegments } from './load-sessions.js';
import { freeTensor, logitsOf, sessionOptions, toFloat32, type ModelOutput } from './onnx-model.js';

/**
 * A model on one thread, segment by segment. Between two segments the hidden states of pairs lie in pages of memory that all inference threads share, so that any
 * thread may go on with any pair; a segment overwrites what it read.
 */
export class SegmentSessions {
  readonly #model: SegmentedModel;
  readonly #output: InferenceModel['output'];
  readonly #sessions: readonly InferenceSession[];
  readonly #features: FeatureSession;
  readonly #predictor: ExitPredictor;
  readonly #memory: Float32Array;
  /** Grows to the largest batch. */
  #padded = new Float32Array(0);

  private constructor(
    model: SegmentedModel,
    output: InferenceModel['output'],
    { sessions, features }: LoadedSegments,
    predictor: ExitPredictor,
  ) {
    this.#model = model;
    this.#output = output;
    this.#sessions = sessions;
    this.#features = features;
    this.#predictor = predictor;
    this.#memory = new Float32Array(model.memory);
  }

  static async load(
    model: SegmentedModel,
    {
      output,
      predictor,
      ...options
    }: Pick<InferenceThreadData, 'device' | 'intraOpThreads'> & {
      readonly output: InferenceModel['output'];
      readonly predictor: ExitPredictor;
    },
  ): Promise<SegmentSessions> {
    const paths = model.segments.map(({ path }) => path);
    const loaded = await loadSessions(paths, model.width, sessionOptions(options, model.withoutOptimizers));
    return new SegmentSessions(model, output, loaded, predictor);
  }

  /** Predicted logits, one a row, and after the last segment logits. */
  async run(batch: BatchTensors): Promise<ModelOutput> {
    const { segment: number = 0, state } = batch;
    const segment = this.#model.segments[number];
    invariant(segment !== undefined && state !== undefined, 'A batch of a segment that the model does not have.');
    const results = await this.#sessions[number]!.run(this.#feeds(segment, batch));
    const output = results[segment.output];
    if (!(output instanceof Tensor)) throw new InvariantError('A segment gave no output tensor.');
    try {
      if (number === this.#sessions.length - 1) {
        invariant(this.#output.kind === 'logit', 'A model that embeds has no segments.');
        return logitsOf(toFloat32(output), output.dims, this.#output.labelIndex);
      }
      this.#keep(batch, toFloat32(output));
      return await this.#predict(number, batch, output);
    } finally {
      freeTensor(output);
    }
  }

  async release(): Promise<void> {
    for (const session of [...this.#sessions, this.#features]) await session.release();
  }

  #feeds({ inputs }: Segment, batch: BatchTensors): Record<string, Tensor> {
    const shape = [batch.batch, batch.sequence];
    const ints = (values: BigInt64Array): Tensor =>
      // Later segments want ids for their shape at most.
      new Tensor('int64', values.length > 0 ? values : new BigInt64Array(batch.batch * batch.sequence), shape);
    const feed = (name: string): Tensor => {
      if (name === HIDDEN_INPUT) return new Tensor('float32', this.#gather(batch), [...shape, this.#model.width]);
      if (name === 'attention_mask') return ints(batch.attentionMask);
      return ints(name === 'token_type_ids' ? batch.tokenTypeIds : batch.inputIds);
    };
    return Object.fromEntries(inputs.map((name) => [name, feed(name)]));
  }

  /**
   * The rows' hidden states beside each other. Padding repeats the last token: the mask hides it, but int8 models quantise a batch by its smallest and largest
   * number, padding included, and what layers make of zeros is out of all range. A repeated token stays the same as the token, and changes nothing.
   */
  #gather(batch: BatchTensors): Float32Array {
    const { width } = this.#model;
    const rowSize = batch.sequence * width;
    if (this.#padded.length < batch.batch * rowSize) this.#padded = new Float32Array(batch.batch * rowSize);
    const padded = this.#padded.subarray(0, batch.batch * rowSize);
    this.#eachPage(batch, (row, position, page, tokens) =>
      padded.set(this.#memory.subarray(page, page + tokens * width), row * rowSize + position * width),
    );
    batch.state?.lengths.forEach((length, row) => {
      const end = row * rowSize + length * width;
      for (let position = length; position < batch.sequence; position += 1)
        padded.copyWithin(row * rowSize + position * width, end - width, end);
    });
    return padded;
  }

  /** Copies each row's hidden state to its pages. */
  #keep(batch: BatchTensors, values: Float32Array): void {
    const { width } = this.#model;
    const rowSize = batch.sequence * width;
    this.#eachPage(batch, (row, position, page, tokens) => {
      const from = row * rowSize + position * width;
      this.#memory.set(values.subarray(from, from + tokens * width), page);
    });
  }

  /** Where the pairs will end. */
  async #predict(number: number, { batch, sequence, state }: BatchTensors, hidden: Tensor): Promise<ModelOutput> {
    const features = await this.#features.run(hidden, { batch, sequence, spans: state!.spans });
    const count = featureCount(this.#model.width);
    const head = this.#predictor.at(this.#model.cuts[number]!);
    const values = new Float32Array(batch).map((_, row) => head.predict(features.subarray(row * count, (row + 1) * count)));
    return { values, width: 1 };
  }

  /** `page` is its first element in the shared memory, `position` its first token in the row. */
  #eachPage({ state }: BatchTensors, visit: (row: number, position: number, page: number, tokens: number) => void): void {
    let next = 0;
    state?.lengths.forEach((length, row) => {
      for (let number = 0; number < pagesFor(length); number += 1, next += 1) {
        const position = number * PAGE_TOKENS;
        visit(row, position, state.pages[next]! * PAGE_TOKENS * this.#model.width, Math.min(PAGE_TOKENS, length - position));
      }
    });
  }
}
