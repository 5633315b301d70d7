import type { Embedder, EmbedRequest } from '@rerank-fleet/core/ports';
import type { BatchScheduler } from './batch-scheduler.js';
import { splitSequences, type SequenceEncoder } from './sequence-encoder.js';

export interface EmbedderModel {
  readonly name: string;
  readonly sha256: string;
  readonly dimensions: number;
  readonly maxLength: number;
  readonly queryPrefix: string;
  readonly passagePrefix: string;
}

/** Embeds through the same planner and threads as pairs. */
export class TextEmbedder implements Embedder {
  readonly #model: EmbedderModel;
  readonly #encoder: SequenceEncoder;
  readonly #scheduler: BatchScheduler;

  constructor(model: EmbedderModel, encoder: SequenceEncoder, scheduler: BatchScheduler) {
    this.#model = model;
    this.#encoder = encoder;
    this.#scheduler = scheduler;
  }

  get name(): string {
    return this.#model.name;
  }

  get sha256(): string {
    return this.#model.sha256;
  }

  get dimensions(): number {
    return this.#model.dimensions;
  }

  get maxLength(): number {
    return this.#model.maxLength;
  }

  async embed({ texts, as, priority, signal }: EmbedRequest): Promise<readonly Float32Array[]> {
    const prefix = as === 'query' ? this.#model.queryPrefix : this.#model.passagePrefix;
    const encoded = await this.#encoder.encodeTexts(this.#model.sha256, texts, prefix);
    // A query's vector must not depend on the searches beside it (dynamic int8), or the same search finds other candidates each time.
    const alone = as === 'query';
    return await this.#scheduler.run(this.#model.sha256, splitSequences(encoded), {
      priority,
      alone,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async countTokens(texts: readonly string[]): Promise<readonly number[]> {
    return Array.from(await this.#encoder.countTokens(this.#model.sha256, texts));
  }
}
