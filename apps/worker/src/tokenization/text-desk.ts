import { invariant } from '@rerank-fleet/core/errors';
import type { Pace } from '@rerank-fleet/core/retrieval';
import { Bm25Encoders } from './bm25-encoders.js';
import { cutDocuments } from './cut-documents.js';
import { PairEncoder } from './pair-encoder.js';
import type { TextAnswer, TextModel, TextThreadData, TextWork } from './text-messages.js';
import { TextTokenizer } from './text-tokenizer.js';
import { TokenCache } from './token-cache.js';

/** All that a text thread can be asked, without the thread. */
export class TextDesk {
  readonly #encoders: ReadonlyMap<string, PairEncoder>;
  readonly #bm25 = new Bm25Encoders();

  constructor({ models, cacheBytes }: TextThreadData) {
    // Models with the same files and window share their tokens.
    const keys = models.map(({ tokenizerPath, maxLength }) => `${TextTokenizer.digest(tokenizerPath)} ${maxLength}`);
    const maxBytes = Math.floor(cacheBytes / new Set(keys).size);
    const caches = new Map<string, TokenCache>();
    const cacheOf = ({ tokenizerPath, maxLength }: TextModel, key: string): TokenCache => {
      const cache = caches.get(key) ?? new TokenCache(TextTokenizer.load(tokenizerPath), { maxTokens: maxLength, maxBytes });
      caches.set(key, cache);
      return cache;
    };
    this.#encoders = new Map(
      models.map((model, index) => {
        const cache = cacheOf(model, keys[index]!);
        return [model.sha256, new PairEncoder(cache.tokenizer, model.maxLength, cache)];
      }),
    );
  }

  /** @param pace is given all that takes time */
  async answer(work: TextWork, pace: Pace): Promise<TextAnswer> {
    const encoder = this.#encoders.get(work.model);
    invariant(encoder, 'A text was sent to a tokenizer that is not loaded.');
    switch (work.kind) {
      case 'pairs':
        return { pairs: await encoder.encode(work.request, pace) };
      case 'texts':
        return { sequences: await pace(encoder.encodeTextsSteps(work.texts, work.prefix)) };
      case 'count':
        return { counts: await pace(encoder.countTokensSteps(work.texts)) };
      case 'documents': {
        const { documents, rules } = work;
        const parts = { rules, encoder: this.#bm25.of(rules.bm25), countTokens: encoder.counter(pace), pace };
        return { passages: await cutDocuments(documents, parts) };
      }
    }
  }
}
