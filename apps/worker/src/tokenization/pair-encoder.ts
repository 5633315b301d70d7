import { LRUCache } from 'lru-cache';
import { RerankError } from '@rerank-fleet/core/errors';
import type { EncodedPairs, EncodedSequences, EncodePairsRequest } from '../pipeline/sequence-encoder.js';
import { countSpecialTokens, writeFrame } from './pair-template.js';
import type { TextTokenizer, TokenizedText } from './text-tokenizer.js';

/** A query leaves at least this many tokens of the window to the passage; a longer one is refused, never cut. */
const LEAST_PASSAGE_TOKENS = 32;
/** Room for token ids of passages that were seen before, in tokens of four bytes, the texts included. */
const CACHED_TOKENS = 8_000_000;

/** Frames pairs and single texts for one model. The query is tokenized once; passages seen lately are not tokenized again. */
export class PairEncoder {
  readonly #tokenizer: TextTokenizer;
  readonly #maxLength: number;
  readonly #passages = new LRUCache<string, TokenizedText>({
    maxSize: CACHED_TOKENS,
    sizeCalculation: ({ ids }, key) => ids.length + Math.ceil(key.length / 2) + 16,
  });

  constructor(tokenizer: TextTokenizer, maxLength: number) {
    this.#tokenizer = tokenizer;
    this.#maxLength = maxLength;
  }

  /** @throws RerankError `query_too_long`, `pair_too_long` */
  encodePairs({ query, passages, policy, maxPassageTokens }: EncodePairsRequest): EncodedPairs {
    const special = countSpecialTokens(this.#tokenizer.template.pair);
    const most = this.#maxLength - special - LEAST_PASSAGE_TOKENS;
    const head = this.#tokenizer.tokenize(query, most);
    if (head.cut) {
      throw new RerankError(
        'query_too_long',
        `The query has more than ${most} tokens, the most this model takes beside a passage (window ${this.#maxLength}). Shorten it.`,
      );
    }
    const room = this.#maxLength - special - head.ids.length;
    const limit = Math.min(room, maxPassageTokens ?? Infinity);
    const tails = passages.map((passage) => this.#passage(passage, limit));
    const long = tails.findIndex((tail) => tail.cut);
    if (policy === 'error' && long >= 0) {
      throw new RerankError(
        'pair_too_long',
        `Document ${long} has more than the ${limit} tokens left beside the query. Split it, or send long_document "truncate" or "chunk".`,
        {
          errors: [{ pointer: `/documents/${long}`, detail: `has more than ${limit} tokens` }],
        },
      );
    }
    const overhead = special + head.ids.length;
    return { ...pack(tails, overhead, (target, tail) => writeFrame(this.#tokenizer.template.pair, target, head.ids, tail.ids)), room };
  }

  /** Frames texts one by one, with a prefix before each; what does not fit is cut. */
  encodeTexts(texts: readonly string[], prefix: string): EncodedSequences {
    const special = countSpecialTokens(this.#tokenizer.template.single);
    const tokenized = texts.map((text) => this.#tokenizer.tokenize(prefix + text, this.#maxLength - special));
    return pack(tokenized, special, (target, text) => writeFrame(this.#tokenizer.template.single, target, text.ids));
  }

  countTokens(texts: readonly string[]): Int32Array {
    return Int32Array.from(texts, (text) => this.#tokenizer.count(text));
  }

  /** The cache holds as many tokens of a passage as the window could ever take, so that one entry serves queries of every length. */
  #passage(text: string, room: number): TokenizedText {
    const known = this.#passages.get(text);
    const whole = known ?? this.#tokenizer.tokenize(text, this.#maxLength);
    if (known === undefined) this.#passages.set(text, whole);
    return whole.ids.length > room ? { ids: whole.ids.subarray(0, room), cut: true } : whole;
  }
}

function pack(
  texts: readonly TokenizedText[],
  overhead: number,
  write: (target: { ids: Int32Array; typeIds: Uint8Array; offset: number }, text: TokenizedText) => number,
): EncodedSequences {
  const total = texts.reduce((sum, text) => sum + text.ids.length + overhead, 0);
  const ids = new Int32Array(total);
  const typeIds = new Uint8Array(total);
  let offset = 0;
  for (const text of texts) offset = write({ ids, typeIds, offset }, text);
  return {
    ids,
    typeIds,
    lengths: Int32Array.from(texts, (text) => text.ids.length + overhead),
    truncated: Uint8Array.from(texts, (text) => (text.cut ? 1 : 0)),
  };
}
