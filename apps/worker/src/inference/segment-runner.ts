import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { InvariantError } from '@rerank-fleet/core/errors';
import type { BatchFeatures } from '../exits/collect-samples.js';
import { pairSpans } from '../exits/pair-spans.js';
import { HIDDEN_INPUT, type SegmentSet } from '../exits/segment-set.js';
import { padBatch, type PaddedBatch, type TokenSequence } from '../pipeline/batch-runner.js';
import type { FeatureSession } from './feature-session.js';
import type { InferenceThreadData } from './inference-messages.js';
import { loadSessions, type LoadedSegments } from './load-sessions.js';
import { freeTensor, logitsOf, sessionOptions, toFloat32 } from './onnx-model.js';

/** A cut model and how it runs. */
export interface SegmentSource extends Pick<InferenceThreadData, 'device' | 'intraOpThreads'> {
  readonly set: Pick<SegmentSet, 'cuts' | 'width' | 'segments'>;
  readonly withoutOptimizers: readonly string[];
  readonly labelIndex?: number | undefined;
}

/** All segments of a model in a row, in the thread that asks, with every hidden state between them in view. */
export class SegmentRunner {
  readonly #source: SegmentSource;
  readonly #sessions: readonly InferenceSession[];
  readonly #features: FeatureSession;

  private constructor(source: SegmentSource, { sessions, features }: LoadedSegments) {
    this.#source = source;
    this.#sessions = sessions;
    this.#features = features;
  }

  static async load(source: SegmentSource): Promise<SegmentRunner> {
    const { segments, width } = source.set;
    const paths = segments.map(({ path }) => path);
    return new SegmentRunner(source, await loadSessions(paths, width, sessionOptions(source, source.withoutOptimizers)));
  }

  /** Shows the hidden state at each cut, float32 `[batch, sequence, width]`, which is gone when `onHidden` has ended, and resolves to the logits, one a row. */
  async run(
    batch: Pick<PaddedBatch, 'batch' | 'sequence' | 'inputIds' | 'attentionMask' | 'tokenTypeIds'>,
    onHidden: (hidden: Tensor) => Promise<void>,
  ): Promise<Float32Array> {
    const { set, labelIndex } = this.#source;
    const ints = (values: BigInt64Array): Tensor => new Tensor('int64', values, [batch.batch, batch.sequence]);
    const feeds = new Map([
      ['input_ids', ints(batch.inputIds)],
      ['attention_mask', ints(batch.attentionMask)],
      ['token_type_ids', ints(batch.tokenTypeIds)],
    ]);
    for (const [number, { inputs, output }] of set.segments.entries()) {
      const results = await this.#sessions[number]!.run(Object.fromEntries(inputs.map((name) => [name, feeds.get(name)!])));
      const before = feeds.get(HIDDEN_INPUT);
      if (before !== undefined) freeTensor(before);
      const made = results[output];
      if (!(made instanceof Tensor)) throw new InvariantError('A segment gave no output tensor.');
      if (number === set.cuts.length) {
        const { values } = logitsOf(toFloat32(made), made.dims, labelIndex);
        freeTensor(made);
        return values;
      }
      await onHidden(made);
      feeds.set(HIDDEN_INPUT, made);
    }
    throw new InvariantError('The model has no last segment.');
  }

  /** Features of each pair at each cut, and its logit. */
  async collect(sequences: readonly TokenSequence[]): Promise<BatchFeatures> {
    const padded = padBatch('', sequences);
    const texts = {
      batch: padded.batch,
      sequence: padded.sequence,
      spans: Int32Array.from(sequences.flatMap(pairSpans)),
    };
    const features: Float32Array[] = [];
    const logits = await this.run(padded, async (hidden) => void features.push(await this.#features.run(hidden, texts)));
    return { logits, features };
  }

  async release(): Promise<void> {
    for (const session of [...this.#sessions, this.#features]) await session.release();
  }
}
