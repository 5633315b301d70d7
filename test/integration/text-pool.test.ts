import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { passageContent } from '@rerank-fleet/core/domain';
import { Bm25Encoder, chunkText, finish } from '@rerank-fleet/core/retrieval';
import type { EncodePairsRequest } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextDesk } from '@rerank-fleet/worker/tokenization/text-desk';
import { TextPool, type TextPoolOptions } from '@rerank-fleet/worker/tokenization/text-pool';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeTinyModel } from '../support/tiny-models/index.js';

const WINDOW = 64;
const MORTAL = new URL('./text-programs/mortal-thread.mjs', import.meta.url);
const BM25 = { k1: 1.2, b: 0.75, averageLength: 40, language: 'english', termHash: 'murmur3-32' } as const;
const REQUEST: EncodePairsRequest = { query: 'apple', passages: ['prune the tree', 'stock price'], policy: 'truncate' };

let root: string;
let tokenizerPath: string;
let tokenizer: TextTokenizer;
const pools: TextPool[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-texts-'));
  tokenizerPath = join(await writeTinyModel(join(root, 'tiny'), { kind: 'cross-encoder', layout: 'bert' }), 'tokenizer.json');
  tokenizer = TextTokenizer.load(tokenizerPath);
});
afterAll(() => rm(root, { recursive: true, force: true }));
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

async function start(threads: number, options: Partial<TextPoolOptions> = {}): Promise<TextPool> {
  const pool = await TextPool.start({ models: [{ sha256: 'model', tokenizerPath, maxLength: WINDOW }], threads, ...options });
  pools.push(pool);
  return pool;
}

const count = (texts: readonly string[]): Promise<number[]> => Promise.resolve(texts.map((text) => tokenizer.count(text)));
const textArbitrary = fc
  .array(
    fc.oneof(
      fc.constantFrom(' ', '. ', '\n', 'Apple', 'tree', '東京。', '北京', '🍎', 'e\u0301', 'x'.repeat(120)),
      fc.string({ unit: 'grapheme', maxLength: 8 }),
    ),
    {
      maxLength: 60,
    },
  )
  .map((parts) => parts.join(''))
  .filter((text) => text.isWellFormed() && !text.includes('\0'));

describe(TextPool.name, () => {
  it('answers in threads what a tokenizer answers itself, and passes on its errors', async () => {
    const pool = await start(2);
    const pairs = new PairEncoder(tokenizer, WINDOW);
    const answers = await Promise.all(Array.from({ length: 8 }, () => pool.encodePairs('model', REQUEST)));
    for (const answer of answers) expect(answer).toEqual(pairs.encodePairs(REQUEST));
    expect(await pool.countTokens('model', ['prune the tree'])).toEqual(Int32Array.of(3));
    await expect(pool.encodePairs('model', { ...REQUEST, query: 'tree '.repeat(100) })).rejects.toMatchObject({ code: 'query_too_long' });
    await expect(pool.encodePairs('another', REQUEST)).rejects.toMatchObject({ code: 'internal_error' });
  });

  it('cuts and encodes documents as is done without threads, bit for bit', async () => {
    const pool = await start(3);
    const encoder = new Bm25Encoder(BM25);
    const document = fc.record({ title: fc.option(fc.constantFrom('', 'Apple trees'), { nil: undefined }), text: textArbitrary });
    await fc.assert(
      fc.asyncProperty(
        fc.array(document, { maxLength: 6 }),
        fc.constantFrom('none' as const, 'sentences' as const),
        fc.integer({ min: 4, max: 30 }),
        async (documents, mode, maxTokens) => {
          const chunking = { mode, maxTokens, overlapTokens: maxTokens >> 2 };
          const cut = await pool.cutDocuments('model', documents, { chunking, bm25: BM25 }, { priority: 'batch' });
          expect(cut).toHaveLength(documents.length);
          for (const [index, { title, text }] of documents.entries()) {
            const passages = await chunkText(text, chunking, count);
            expect(cut[index]?.passages).toEqual(passages);
            expect(cut[index]?.bm25).toEqual(passages.map((passage) => encoder.encodePassage(passageContent(title, passage.text))));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('frames windows of long passages as whole sentences cut beforehand would be', async () => {
    const pool = await start(2);
    const pairs = new PairEncoder(tokenizer, WINDOW);
    await fc.assert(
      fc.asyncProperty(fc.array(textArbitrary, { minLength: 1, maxLength: 4 }), async (passages) => {
        const encoded = await pool.encodePairs('model', { query: 'apple', passages, policy: 'chunk' });
        const { windows, ...whole } = encoded;
        expect(whole).toEqual(pairs.encodePairs({ query: 'apple', passages, policy: 'truncate' }));
        const maxTokens = WINDOW - 4;
        const expected = [];
        for (const [passage, text] of passages.entries()) {
          if (whole.truncated[passage] !== 1) continue;
          const limits = { mode: 'sentences', maxTokens, overlapTokens: Math.floor(maxTokens / 8) } as const;
          for (const window of await chunkText(text, limits, count)) expected.push({ passage, ...window });
        }
        if (expected.length === 0) {
          expect(windows).toBeUndefined();
          return;
        }
        const framed = pairs.encodePairs({ query: 'apple', passages: expected.map(({ text }) => text), policy: 'truncate' });
        expect(windows).toEqual({
          ...framed,
          passages: Int32Array.from(expected, ({ passage }) => passage),
          spans: Int32Array.from(expected.flatMap(({ start, end }) => [start, end])),
          cut: new Uint8Array(passages.length),
        });
      }),
      { numRuns: 60 },
    );
  });

  it('says nothing of its inside to clients when it fails', async () => {
    const failure = await (await start(1)).encodeTexts('another', ['text'], '').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'internal_error', detail: expect.not.stringMatching(/bug|Error|another/) as string });
  });

  it('rejects at start if a tokenizer cannot be loaded', async () => {
    const broken = { sha256: 'model', tokenizerPath: join(root, 'nowhere', 'tokenizer.json'), maxLength: WINDOW };
    await expect(TextPool.start({ models: [broken], threads: 2 })).rejects.toThrow(/ENOENT/);
  });
});

const huge = { text: 'How to prune the tree. Apple! '.repeat(60_000) };
const rules = { chunking: { mode: 'sentences', maxTokens: 30, overlapTokens: 4 }, bm25: BM25 } as const;

describe('a text thread shared by many', () => {
  it.each(['batch', 'sync'] as const)('serves a call while it is busy with a huge document of %s work', async (priority) => {
    const pool = await start(1);
    const done: string[] = [];
    const cutting = pool.cutDocuments('model', [huge], rules, { priority }).then(() => done.push('huge'));
    for (let call = 0; call < 5; call += 1) await pool.encodePairs('model', REQUEST).then(() => done.push('call'));
    await cutting;
    expect(done).toEqual([...Array<string>(5).fill('call'), 'huge']);
  });

  it('drops what waits and ends what is in hand once nobody waits for it', async () => {
    const pool = await start(1);
    const controller = new AbortController();
    const uploads = Array.from({ length: 6 }, () =>
      pool.cutDocuments('model', [huge], rules, { priority: 'batch', signal: controller.signal }),
    );
    const outcomes = Promise.allSettled(uploads);
    await pool.encodePairs('model', REQUEST);
    controller.abort(new Error('left'));
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'left' } });
    const others = [pool.cutDocuments('model', [huge], rules, { priority: 'batch' }).then(() => 'huge')];
    for (let wave = 0; wave < 4; wave += 1)
      others.push(pool.cutDocuments('model', [{ text: 'Apple.' }], rules, { priority: 'batch' }).then(() => 'small'));
    expect((await Promise.all(others)).length).toBe(5);
    await expect(pool.encodePairs('model', REQUEST, { signal: controller.signal })).rejects.toThrow('left');
  });
});

describe('a text thread that dies', () => {
  async function mortal(threads: number, silentMs?: number) {
    const directory = await mkdtemp(join(root, 'mortal-'));
    await cp(dirname(tokenizerPath), directory, { recursive: true });
    const deaths: number[] = [];
    const details: string[] = [];
    const pool = await start(threads, {
      models: [{ sha256: 'model', tokenizerPath: join(directory, 'tokenizer.json'), maxLength: WINDOW }],
      program: MORTAL,
      onThreadDeath: (detail) => {
        deaths.push(performance.now());
        details.push(detail);
      },
      ...(silentMs === undefined ? {} : { silentMs }),
    });
    return { pool, deaths, details };
  }
  const texts = (pool: TextPool, text: string) => pool.encodeTexts('model', [text], '');

  it.each([1, 2])('has its call answered by another (%i threads)', async (threads) => {
    const { pool, deaths } = await mortal(threads);
    expect((await texts(pool, 'dies-once apple')).lengths).toHaveLength(1);
    expect(deaths).toHaveLength(1);
    expect((await texts(pool, 'apple')).lengths[0]).toBe(3);
  });

  it.each([1, 3])('fails the call that two of them die of, and no other (%i threads)', async (threads) => {
    const { pool, deaths } = await mortal(threads);
    const innocent = Array.from({ length: 20 }, (_, index) => texts(pool, `tree ${index}`));
    const guilty = texts(pool, 'dies-always');
    const later = Array.from({ length: 20 }, (_, index) => texts(pool, `apple ${index}`));
    await expect(guilty).rejects.toMatchObject({ code: 'internal_error' });
    expect(await Promise.all([...innocent, ...later])).toHaveLength(40);
    expect(deaths).toHaveLength(2);
    expect((await texts(pool, 'apple')).lengths[0]).toBe(3);
  });

  it('is ended when it hangs in a text, which fails after a second attempt, and no other with it', async () => {
    const { pool, details } = await mortal(1, 1_500);
    const guilty = texts(pool, 'hangs');
    const innocent = texts(pool, 'apple');
    await expect(guilty).rejects.toMatchObject({ code: 'internal_error' });
    expect((await innocent).lengths[0]).toBe(3);
    expect(details).toEqual(Array(2).fill(expect.stringMatching(/silent for too long/)));
  });

  it('is not ended while it works, for however long', async () => {
    const silentMs = 1_000;
    const { pool, deaths } = await mortal(1, silentMs);
    const started = performance.now();
    const work = async (): Promise<void> => {
      while (performance.now() - started < 2 * silentMs) await pool.cutDocuments('model', [huge], rules, { priority: 'batch' });
    };
    // There is always something in hand.
    await Promise.all([work(), work()]);
    expect(deaths).toEqual([]);
  });

  it('comes back ever more slowly', async () => {
    const { pool, deaths } = await mortal(1);
    for (let call = 0; call < 2; call += 1) await expect(texts(pool, 'dies-always')).rejects.toMatchObject({ code: 'internal_error' });
    const gaps = deaths.slice(1).map((at, index) => at - deaths[index]!);
    expect(gaps).toHaveLength(3);
    for (const [index, gap] of gaps.entries()) expect(gap).toBeGreaterThan(100 * 2 ** index - 5);
  });

  it('takes nobody with it who left', async () => {
    const { pool, deaths } = await mortal(1);
    const controller = new AbortController();
    const left = pool.encodeTexts('model', ['dies-always'], '', { signal: controller.signal });
    controller.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    expect((await texts(pool, 'apple')).lengths[0]).toBe(3);
    await sleep(0);
    expect(deaths).toHaveLength(1);
  });
});

describe(TextDesk.name, () => {
  it('tokenizes a query once for all windows of a request and all stages with its tokenizer', async () => {
    const copy = join(root, 'same');
    await cp(dirname(tokenizerPath), copy, { recursive: true });
    const models = [
      { sha256: 'light', tokenizerPath, maxLength: WINDOW },
      { sha256: 'heavy', tokenizerPath: join(copy, 'tokenizer.json'), maxLength: WINDOW },
    ];
    const desk = new TextDesk({ models, cacheBytes: 2 ** 20 });
    const tokenize = vi.spyOn(TextTokenizer.prototype, 'tokenizeSteps');
    try {
      const request = { query: 'best apple', passages: ['prune the tree. '.repeat(40), 'pie'], policy: 'chunk' } as const;
      for (const model of ['light', 'heavy']) {
        const answer = await desk.answer({ kind: 'pairs', model, request }, finish);
        expect('pairs' in answer && answer.pairs.windows?.passages.length).toBeGreaterThan(1);
      }
      const queries = tokenize.mock.calls.filter(([text]) => text === 'best apple');
      expect(queries).toHaveLength(1);
      expect(tokenize.mock.calls.filter(([text]) => text === 'pie')).toHaveLength(1);
    } finally {
      tokenize.mockRestore();
    }
  });
});
