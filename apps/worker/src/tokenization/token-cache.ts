import { hash } from 'node:crypto';
import type { Steps } from '@rerank-fleet/core/retrieval';
import { LRUCache } from 'lru-cache';
import type { TextTokenizer, TokenizedText } from './text-tokenizer.js';

/** Bytes that an entry takes besides its ids: the key, the array and the list it is in. */
const ENTRY_BYTES = 320;

/** Tokens of texts seen lately, by content hash, so that the texts themselves need not be kept. Models with one tokenizer and window share one. */
export class TokenCache {
  readonly tokenizer: TextTokenizer;
  readonly #maxTokens: number;
  readonly #entries: LRUCache<string, TokenizedText>;

  /** @param maxTokens of the longest text a model takes: one entry serves requests of every length */
  constructor(tokenizer: TextTokenizer, options: { readonly maxTokens: number; readonly maxBytes: number }) {
    this.tokenizer = tokenizer;
    this.#maxTokens = options.maxTokens;
    this.#entries = new LRUCache({ maxSize: options.maxBytes, sizeCalculation: ({ ids }) => ids.byteLength + ENTRY_BYTES });
  }

  /** Bytes of all entries. */
  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  /** The first tokens of a text, at most `room` and no more than the window. */
  *first(text: string, room: number): Steps<TokenizedText> {
    const key = hash('sha256', text, 'base64');
    const known = this.#entries.get(key);
    const whole = known ?? (yield* this.tokenizer.tokenizeSteps(text, this.#maxTokens));
    if (known === undefined) this.#entries.set(key, whole);
    return whole.ids.length > room ? { ids: whole.ids.subarray(0, room), cut: true } : whole;
  }
}
