import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tokenizers from '@huggingface/tokenizers';
import type { EncodedSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { followReference } from '@rerank-fleet/worker/tokenization/reference-steps';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { TokenCache } from '@rerank-fleet/worker/tokenization/token-cache';
import { finish } from '@rerank-fleet/core/retrieval';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MULTILINGUAL_LAYOUTS, multilingualTokenizer } from '../support/tiny-models/multilingual-tokenizers.js';
import { TINY_WORDS, writeTinyModel, type TinyLayout } from '../support/tiny-models/index.js';

const LAYOUTS: readonly TinyLayout[] = ['bert', 'roberta', 'xlm-roberta', 'modernbert'];
const WINDOW = 64;

/** What separates words, or seems to, for some pre-tokenizer. */
const SEPARATORS = [
  ' ',
  ' ',
  ' ',
  '  ',
  '     ',
  '\t',
  '\n',
  '\r\n',
  '\f',
  '\v',
  '\u00a0',
  '\u2009',
  '\u2028',
  '\u3000',
  '\u200b',
  '\u200d',
  '\ufeff',
  '\u0085',
  '',
];
const WORDS = [
  ...TINY_WORDS.slice(0, 12),
  'a'.repeat(60),
  'x'.repeat(130),
  'unbelievable-words',
  "don't",
  '北京',
  '東京都は日本の首都です',
  '안녕하세요',
  'e\u0301te\u0301',
  '\u0301',
  'ΑΣ',
  'ﬁne',
  '👩‍👩‍👧',
  '🌳🌳',
  '1234567890',
  '...',
  '!?',
  '[SEP]',
  '</s>',
  '\u00ad',
];

const wordArbitrary = fc.oneof(fc.constantFrom(...WORDS), fc.string({ unit: 'grapheme', maxLength: 12 }));
const textArbitrary = fc
  .array(fc.tuple(wordArbitrary, fc.constantFrom(...SEPARATORS)), { maxLength: 90 })
  .map((parts) => parts.flat().join(''))
  // What a request may hold: `textSchema`.
  .filter((text) => text.isWellFormed() && !text.includes('\0'));

/** The library applies the post-processor itself; its steps are made to follow the reference, which test/golden holds to the original. Its own declarations do not resolve in Node's way of finding modules. */
interface Reference {
  encode(
    text: string,
    options?: { readonly text_pair?: string; readonly add_special_tokens?: boolean; readonly return_token_type_ids?: boolean },
  ): { readonly ids: readonly number[]; readonly token_type_ids?: readonly number[] };
}
const { Tokenizer } = tokenizers as unknown as { readonly Tokenizer: new (file: object, config: object) => Reference };

interface Loaded {
  readonly path: string;
  readonly text: TextTokenizer;
  readonly pairs: PairEncoder;
  readonly oracle: Reference;
}

const loaded = new Map<TinyLayout, Loaded>();
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-tokenizer-'));
  for (const layout of LAYOUTS) {
    const directory = await writeTinyModel(join(root, layout), { kind: 'cross-encoder', layout });
    const path = join(directory, 'tokenizer.json');
    const read = async (name: string): Promise<object> => JSON.parse(await readFile(join(directory, name), 'utf8')) as object;
    const text = TextTokenizer.load(path);
    const oracle = new Tokenizer(await read('tokenizer.json'), await read('tokenizer_config.json'));
    followReference(oracle);
    loaded.set(layout, { path, text, oracle, pairs: new PairEncoder(text, WINDOW) });
  }
});

afterAll(() => rm(root, { recursive: true, force: true }));

const of = (layout: TinyLayout): Loaded => loaded.get(layout) as Loaded;

/** Ids and token types of each sequence. */
function rows({ ids, typeIds, lengths }: EncodedSequences): { ids: number[]; types: number[] }[] {
  let offset = 0;
  return Array.from(lengths, (length) => {
    const [start, end] = [offset, offset + length];
    offset = end;
    return { ids: Array.from(ids.subarray(start, end)), types: Array.from(typeIds.subarray(start, end)) };
  });
}

describe.each(LAYOUTS)('tokenizing with the %s layout', (layout) => {
  it('frames a pair as the reference implementation does', () => {
    const { pairs, oracle } = of(layout);
    const passages = ['how to prune the tree', 'Apple shares rose!', '北京 recipe', 'é'];
    const framed = rows(pairs.encodePairs({ query: 'best practices, apple', passages, policy: 'error' }));
    passages.forEach((passage, index) => {
      const expected = oracle.encode('best practices, apple', { text_pair: passage, return_token_type_ids: true });
      expect(framed[index]?.ids).toEqual(expected.ids);
      if (layout === 'bert') expect(framed[index]?.types).toEqual(expected.token_type_ids);
      else expect(new Set(framed[index]?.types)).toEqual(new Set([0]));
    });
  });

  it('frames a single text as the reference implementation does, with its prefix', () => {
    const { pairs, oracle } = of(layout);
    const [framed] = rows(pairs.encodeTexts(['prune the tree'], 'query: '));
    expect(framed?.ids).toEqual(oracle.encode('query: prune the tree').ids);
  });

  it('cuts the end of a passage and keeps the query and the last separator', () => {
    const { pairs, oracle } = of(layout);
    const passage = 'prune apple tree '.repeat(60);
    const encoded = pairs.encodePairs({ query: 'best fruit', passages: [passage, 'pie'], policy: 'truncate' });
    const whole = oracle.encode('best fruit', { text_pair: passage }).ids;
    expect(rows(encoded)[0]?.ids).toEqual([...whole.slice(0, WINDOW - 1), whole.at(-1)]);
    expect(Array.from(encoded.truncated)).toEqual([1, 0]);
    expect(encoded.lengths[0]).toBe(WINDOW);
  });

  it('cuts single texts to the window and keeps the last separator', () => {
    const { pairs, oracle } = of(layout);
    const text = 'prune apple tree '.repeat(60);
    const whole = oracle.encode(text).ids;
    expect(rows(pairs.encodeTexts([text], ''))[0]?.ids).toEqual([...whole.slice(0, WINDOW - 1), whole.at(-1)]);
  });

  it('cuts the passage to the tokens that the request allows', () => {
    const { pairs, oracle } = of(layout);
    const encoded = pairs.encodePairs({
      query: 'best fruit',
      passages: ['prune apple tree', 'pie'],
      policy: 'truncate',
      maxPassageTokens: 2,
    });
    const whole = oracle.encode('best fruit', { text_pair: 'prune apple tree' }).ids;
    const tokens = of(layout).text.count('prune apple tree');
    expect(tokens).toBeGreaterThan(2);
    expect(rows(encoded)[0]?.ids).toEqual([...whole.slice(0, whole.length - 1 - (tokens - 2)), whole.at(-1)]);
    expect(encoded.truncated[0]).toBe(1);
  });

  it('takes the first tokens of a long text piece by piece, and they are those of the whole text', () => {
    const { path, oracle } = of(layout);
    const tokenizers = [8, 30, 200].map((least) => TextTokenizer.load(path, { least, most: 4_096 }));
    fc.assert(
      fc.property(textArbitrary, fc.integer({ min: 1, max: 40 }), (text, maxTokens) => {
        const whole = oracle.encode(text, { add_special_tokens: false }).ids;
        for (const tokenizer of tokenizers) {
          const { ids, cut } = tokenizer.tokenize(text, maxTokens);
          expect({ ids: Array.from(ids), cut }).toEqual({ ids: whole.slice(0, maxTokens), cut: whole.length > maxTokens });
          expect(tokenizer.count(text)).toBe(whole.length);
          expect(Math.min(finish(tokenizer.countSteps(text, maxTokens)), maxTokens + 1)).toBe(Math.min(whole.length, maxTokens + 1));
        }
      }),
      { numRuns: 400 },
    );
  });

  it('tokenizes no more of a long text than it takes, a piece a step', () => {
    const { text: tokenizer } = of(layout);
    const long = 'prune the tree '.repeat(100_000);
    expect([...tokenizer.tokenizeSteps(long, 40)]).toHaveLength(0);
    expect([...tokenizer.countSteps(long, Infinity)].length).toBeGreaterThan(300);
    expect([...tokenizer.tokenizeSteps('x'.repeat(500_000), 40)].length).toBeLessThan(100);
  });

  it.each(['\f', '\v', '\ufeff', '\u00a0', '\u2028', '\n', '\t', ' '])(
    'does not take %j within a long word for an end of the word that it may be no end of',
    (gap) => {
      const { path, oracle } = of(layout);
      const tokenizer = TextTokenizer.load(path, { least: 180, most: 4_096 });
      // The cut is looked for from character 180 on, and the word around it starts within the first tokens.
      const text = `${'prune         '.repeat(6)}${'x'.repeat(97)}${gap}${'x'.repeat(30)}`;
      const whole = oracle.encode(text, { add_special_tokens: false }).ids;
      expect(Array.from(tokenizer.tokenize(text, 7).ids)).toEqual(whole.slice(0, 7));
    },
  );

  it.each(['prune the tree\n'.replaceAll(' ', '\n'), '修剪苹果树。', '🍎🌳', 'prune'])(
    'takes the first tokens of %j over and over, without a space',
    (part) => {
      const { text: tokenizer, oracle } = of(layout);
      const text = part.repeat(8_000);
      const whole = oracle.encode(text, { add_special_tokens: false }).ids;
      const { ids, cut } = tokenizer.tokenize(text, 40);
      expect({ ids: Array.from(ids), cut }).toEqual({ ids: whole.slice(0, 40), cut: whole.length > 40 });
    },
  );

  it('counts the tokens of the whole text', () => {
    const { pairs, oracle } = of(layout);
    const texts = ['prune the tree', '', 'apple '.repeat(300)];
    const counts = texts.map((text) => oracle.encode(text, { add_special_tokens: false }).ids.length);
    expect(Array.from(pairs.countTokens(texts))).toEqual(counts);
  });
});

describe.each(MULTILINGUAL_LAYOUTS)('tokenizing piece by piece with the layout of %s', (layout) => {
  it('gives the tokens of the whole text', async () => {
    const path = join(await mkdtemp(join(root, 'multilingual-')), 'tokenizer.json');
    await writeFile(path, JSON.stringify(multilingualTokenizer(layout).file));
    const whole = TextTokenizer.load(path, { least: Infinity, most: Infinity });
    const tokenizer = TextTokenizer.load(path, { least: 8, most: 4_096 });
    fc.assert(
      fc.property(textArbitrary, (text) => {
        expect(tokenizer.tokenize(text, 10_000)).toEqual(whole.tokenize(text, 10_000));
      }),
      { numRuns: 300 },
    );
  });
});

describe.each(MULTILINGUAL_LAYOUTS)('a stretch that is unknown or dropped as a whole, with the layout of %s', (layout) => {
  it.each(['.', '\ufe0f', '\u0327\u0301\u0345\u0334', '🇩🇪', '\u202b', 'ꙮ'])(
    'takes looks and marks in proportion to its length: %j',
    async (part) => {
      const path = join(await mkdtemp(join(root, 'stretch-')), 'tokenizer.json');
      await writeFile(path, JSON.stringify(multilingualTokenizer(layout).file));
      const tokenizer = TextTokenizer.load(path);
      const text = part.repeat(16_384);
      let looked = 0;
      const longest = { marks: 0 };
      const [get, normalize] = [Map.prototype.get, String.prototype.normalize];
      Map.prototype.get = function (key: unknown): unknown {
        if (typeof key === 'string') looked += key.length;
        return get.call(this, key);
      };
      String.prototype.normalize = function (form?: string): string {
        for (const marks of this.match(/\p{M}+/gu) ?? []) longest.marks = Math.max(longest.marks, Array.from(marks).length);
        return normalize.call(this, form);
      };
      try {
        tokenizer.tokenize(text, 40);
      } finally {
        [Map.prototype.get, String.prototype.normalize] = [get, normalize];
      }
      expect(looked).toBeLessThan(100 * text.length);
      expect(longest.marks).toBeLessThanOrEqual(256);
    },
  );
});

describe('a query or pair that does not fit', () => {
  it('refuses a query that leaves less than 32 tokens to the passage, and never cuts it', () => {
    const { pairs, text } = of('bert');
    const most = WINDOW - 3 - 32;
    const query = 'tree '.repeat(most);
    expect(text.count(query)).toBe(most);
    expect(pairs.encodePairs({ query, passages: ['apple'], policy: 'truncate' }).lengths[0]).toBe(3 + most + 1);
    expect(() => pairs.encodePairs({ query: `${query} tree`, passages: ['apple'], policy: 'truncate' })).toThrow(
      expect.objectContaining({ code: 'query_too_long' }),
    );
  });

  it('refuses a passage that does not fit where the request wants an error, and says which', () => {
    const { pairs } = of('bert');
    const room = WINDOW - 3 - 1;
    const fits = 'tree '.repeat(room);
    expect(pairs.encodePairs({ query: 'apple', passages: [fits], policy: 'error' }).truncated[0]).toBe(0);
    expect(() => pairs.encodePairs({ query: 'apple', passages: ['pie', `${fits} tree`], policy: 'error' })).toThrow(
      expect.objectContaining({ code: 'pair_too_long', errors: [expect.objectContaining({ pointer: '/documents/1' })] }),
    );
  });

  it('serves a passage seen before to queries of another length', () => {
    const { pairs } = of('bert');
    const passage = 'prune the tree '.repeat(30);
    const lengths = ['apple', 'apple tree fruit garden', 'apple'].map((query) => {
      const encoded = pairs.encodePairs({ query, passages: [passage], policy: 'truncate' });
      return [encoded.lengths[0], encoded.ids.at(-1), encoded.truncated[0]];
    });
    expect(lengths).toEqual(Array(3).fill([WINDOW, 3, 1]));
  });
});

describe(TokenCache.name, () => {
  it('takes no more memory than it was given, whatever the texts', () => {
    const maxBytes = 20_000;
    const cache = new TokenCache(of('bert').text, { maxTokens: WINDOW, maxBytes });
    for (let text = 0; text < 200; text += 1) {
      finish(cache.first(`tree ${text} `.repeat(1 + (text % 40)), WINDOW));
      expect(cache.bytes).toBeLessThanOrEqual(maxBytes);
    }
    expect(cache.bytes).toBeGreaterThan(maxBytes / 2);
  });
});
