import { RerankError } from '@rerank-fleet/core/errors';
import type { Embedder, EmbedRequest } from '@rerank-fleet/core/ports';
import type { TokenSequence } from './batch-runner.js';
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
    const sequences: TokenSequence[] = [];
    for (const group of inTurns(texts)) {
      signal?.throwIfAborted();
      const encoded = await this.#encoder.encodeTexts(this.#model.sha256, group, prefix, { priority, signal });
      if (as === 'query' && encoded.truncated.includes(1)) throw this.#queryTooLong();
      sequences.push(...splitSequences(encoded));
    }
    // A query's vector must not depend on the searches beside it (dynamic int8), or the same search finds other candidates each time.
    const alone = as === 'query';
    return await this.#scheduler.run(this.#model.sha256, sequences, {
      priority,
      alone,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  #queryTooLong(): RerankError {
    const { name, maxLength } = this.#model;
    return new RerankError(
      'query_too_long',
      `The query does not fit the window of the embedder ${name}, ${maxLength} tokens. Shorten it, or search with mode "sparse".`,
    );
  }

  async countTokens(texts: readonly string[], options: Parameters<Embedder['countTokens']>[1] = {}): Promise<readonly number[]> {
    const counts: number[] = [];
    for (const group of inTurns(texts)) counts.push(...(await this.#encoder.countTokens(this.#model.sha256, group, options)));
    return counts;
  }
}

/** Characters given to the tokenizer at once: some 30 ms of its time. */
const TURN_CHARACTERS = 65_536;
const TURN_TEXTS = 4_096;

/** In groups, so that a call's query waits for one of them in the tokenizer's thread, not for a whole upload. */
function* inTurns(texts: readonly string[]): Generator<readonly string[]> {
  let [first, characters] = [0, 0];
  for (const [position, { length }] of texts.entries()) {
    if (position > first && (characters + length > TURN_CHARACTERS || position - first >= TURN_TEXTS)) {
      yield texts.slice(first, position);
      [first, characters] = [position, 0];
    }
    characters += length;
  }
  if (first < texts.length) yield texts.slice(first);
}
