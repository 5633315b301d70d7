import { RerankError } from '@rerank-fleet/core/errors';
import { finish, passageSpans, type CountTokens, type Pace, type Steps } from '@rerank-fleet/core/retrieval';
import type { EncodedPairs, EncodedSequences, EncodePairsRequest } from '../pipeline/sequence-encoder.js';
import { windowPassages } from '../pipeline/window-passages.js';
import { countSpecialTokens, writeFrame } from './pair-template.js';
import type { TextTokenizer, TokenizedText } from './text-tokenizer.js';
import { TokenCache } from './token-cache.js';

/** A query leaves at least this many tokens of the window to the passage; a longer one is refused, never cut. */
const LEAST_PASSAGE_TOKENS = 32;
const CACHE_BYTES = 32 * 2 ** 20;

/** A query, tokenized once for all its pairs. */
interface Head {
  readonly ids: Int32Array;
  /** Tokens that the model's window leaves to a passage. */
  readonly room: number;
}

/** Frames pairs and single texts for one model. The query is tokenized once; passages seen lately are not tokenized again. */
export class PairEncoder {
  readonly #tokenizer: TextTokenizer;
  readonly #maxLength: number;
  readonly #cache: TokenCache;

  constructor(tokenizer: TextTokenizer, maxLength: number, cache = ownCache(tokenizer, maxLength)) {
    this.#tokenizer = tokenizer;
    this.#maxLength = maxLength;
    this.#cache = cache;
  }

  /**
   * Without windows: the policy `chunk` is as `truncate`.
   *
   * @throws RerankError `query_too_long`, `pair_too_long`
   */
  encodePairs(request: EncodePairsRequest): EncodedPairs {
    return finish(this.#whole(finish(this.#head(request.query)), request));
  }

  /** @throws RerankError `query_too_long`, `pair_too_long`, `too_many_candidates` (windows) */
  async encode(request: EncodePairsRequest, pace: Pace): Promise<EncodedPairs> {
    const head = await pace(this.#head(request.query));
    const whole = await pace(this.#whole(head, request));
    const long = [...whole.truncated.keys()].filter((index) => whole.truncated[index] === 1);
    // A passage that the caller wants cut below the window is cut, not windowed.
    if (request.policy !== 'chunk' || long.length === 0 || (request.maxPassageTokens ?? Infinity) <= head.room) return whole;
    const { windows, cut } = await windowPassages(request, {
      long,
      room: head.room,
      cutWindows: (text, limits) => passageSpans(text, { mode: 'sentences', ...limits }, this.counter(pace), pace),
      allFit: async (texts) => await pace(this.#allFit(texts, head.room)),
    });
    const framed = await pace(
      this.#framed(
        head,
        windows.map(({ text }) => text),
        head.room,
      ),
    );
    return {
      ...whole,
      windows: {
        ...framed,
        passages: Int32Array.from(windows, ({ passage }) => passage),
        spans: Int32Array.from(windows.flatMap(({ start, end }) => [start, end])),
        cut: Uint8Array.from(request.passages, (_, index) => (cut.has(index) ? 1 : 0)),
      },
    };
  }

  /** Frames texts one by one, with a prefix before each; what does not fit is cut. */
  encodeTexts(texts: readonly string[], prefix: string): EncodedSequences {
    return finish(this.encodeTextsSteps(texts, prefix));
  }

  *encodeTextsSteps(texts: readonly string[], prefix: string): Steps<EncodedSequences> {
    const { single } = this.#tokenizer.template;
    const special = countSpecialTokens(single);
    const tokenized: TokenizedText[] = [];
    for (const text of texts) {
      tokenized.push(yield* this.#tokenizer.tokenizeSteps(prefix + text, this.#maxLength - special));
      yield;
    }
    return pack(tokenized, special, (target, text) => writeFrame(single, target, text.ids));
  }

  /** Tokens of each text, whole and without special tokens. */
  countTokens(texts: readonly string[]): Int32Array {
    return finish(this.countTokensSteps(texts));
  }

  *countTokensSteps(texts: readonly string[], enough = Infinity): Steps<Int32Array> {
    const counts = new Int32Array(texts.length);
    for (const [index, text] of texts.entries()) {
      counts[index] = yield* this.#tokenizer.countSteps(text, enough);
      yield;
    }
    return counts;
  }

  /** `countTokensSteps` as chunking wants it. */
  counter(pace: Pace): CountTokens {
    return async (texts, enough) => Array.from(await pace(this.countTokensSteps(texts, enough)));
  }

  *#head(query: string): Steps<Head> {
    const window = this.#maxLength - countSpecialTokens(this.#tokenizer.template.pair);
    const most = window - LEAST_PASSAGE_TOKENS;
    const { ids, cut } = yield* this.#cache.first(query, most);
    if (cut) {
      throw new RerankError(
        'query_too_long',
        `The query has more than ${most} tokens, the most this model takes beside a passage (window ${this.#maxLength}). Shorten it.`,
      );
    }
    return { ids, room: window - ids.length };
  }

  *#whole(head: Head, { passages, policy, maxPassageTokens }: EncodePairsRequest): Steps<EncodedPairs> {
    const limit = Math.min(head.room, maxPassageTokens ?? Infinity);
    const framed = yield* this.#framed(head, passages, limit);
    const long = framed.truncated.indexOf(1);
    if (policy !== 'error' || long < 0) return framed;
    throw new RerankError(
      'pair_too_long',
      `Document ${long} has more than the ${limit} tokens left beside the query. Split it, or send long_document "truncate" or "chunk".`,
      { errors: [{ pointer: `/documents/${long}`, detail: `has more than ${limit} tokens` }] },
    );
  }

  /** What it tokenizes is remembered, and framed later. */
  *#allFit(texts: readonly string[], room: number): Steps<boolean> {
    for (const text of texts) {
      if ((yield* this.#cache.first(text, room)).cut) return false;
      yield;
    }
    return true;
  }

  *#framed(head: Head, passages: readonly string[], limit: number): Steps<EncodedSequences> {
    const { pair } = this.#tokenizer.template;
    const tails: TokenizedText[] = [];
    for (const passage of passages) {
      tails.push(yield* this.#cache.first(passage, limit));
      yield;
    }
    const overhead = countSpecialTokens(pair) + head.ids.length;
    return pack(tails, overhead, (target, tail) => writeFrame(pair, target, head.ids, tail.ids));
  }
}

function ownCache(tokenizer: TextTokenizer, maxTokens: number): TokenCache {
  return new TokenCache(tokenizer, { maxTokens, maxBytes: CACHE_BYTES });
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
