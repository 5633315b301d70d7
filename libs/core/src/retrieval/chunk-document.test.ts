import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { Chunking, Passage } from '../domain/index.js';
import { chunkText, passagesOf, passageSpans } from './chunk-document.js';
import type { Pace } from './steps.js';

/** A token for each run of letters or digits, and for each other character that is no space. */
function tokensOf(text: string): number {
  return text.match(/[\p{L}\p{N}\p{M}]{1,4}|\S/gu)?.length ?? 0;
}

const count = (texts: readonly string[]) => Promise.resolve(texts.map(tokensOf));
const sentences = (maxTokens: number, overlapTokens = 0): Chunking => ({ mode: 'sentences', maxTokens, overlapTokens });

function sliceCodePoints(text: string, { start, end }: Passage): string {
  return Array.from(text).slice(start, end).join('');
}

const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.constantFrom(' ', '\n\n', '. ', 'word', '🍎', '👩‍🚀', '東京。', 'e\u0301', 'supercalifragilistic', '\ud800'),
    ),
    {
      maxLength: 40,
    },
  )
  .map((parts) => parts.join(''));

describe(chunkText.name, () => {
  test('mode none gives the whole text as one passage, without counting', async () => {
    const counter = vi.fn(count);
    expect(await chunkText(' a 🍎 b ', { mode: 'none', maxTokens: 1, overlapTokens: 0 }, counter)).toEqual([
      { index: 0, start: 0, end: 7, text: ' a 🍎 b ' },
    ]);
    expect(counter).not.toHaveBeenCalled();
  });

  test('whole sentences are packed up to the limit', async () => {
    const found = await chunkText('One two. Three four. Five six. Seven.', sentences(7), count);
    expect(found.map((passage) => passage.text)).toEqual(['One two. Three four.', 'Five six. Seven.']);
    expect(found.map(({ index, start, end }) => [index, start, end])).toEqual([
      [0, 0, 20],
      [1, 21, 37],
    ]);
  });

  test('the end of a passage is repeated at the start of the next', async () => {
    const found = await chunkText('A a. B b. C c. D d.', sentences(6, 3), count);
    expect(found.map((passage) => passage.text)).toEqual(['A a. B b.', 'B b. C c.', 'C c. D d.']);
  });

  test('a sentence that is too long is cut between words, a word between code points', async () => {
    const found = await chunkText('alpha beta gamma delta epsilon', sentences(4), count);
    expect(found.map((passage) => passage.text)).toEqual(['alpha beta', 'gamma delta', 'epsilon']);
    const apples = '🍎'.repeat(10);
    expect((await chunkText(apples, sentences(3), count)).map((passage) => passage.text).join('')).toBe(apples);
  });

  test('blank text gives one blank passage, so that a title alone can be found', async () => {
    expect(await chunkText('', sentences(5), count)).toEqual([{ index: 0, start: 0, end: 0, text: '' }]);
    expect(await chunkText(' \n ', sentences(5), count)).toEqual([{ index: 0, start: 0, end: 3, text: ' \n ' }]);
  });

  test('sentences are counted in one call', async () => {
    const counter = vi.fn(count);
    await chunkText('One two three. '.repeat(500), sentences(40, 8), counter);
    expect(counter).toHaveBeenCalledTimes(1);
  });

  test('offsets are code points of the text, for any text', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 10 }), async (text, maxTokens, overlap) => {
        const found = await chunkText(text, sentences(maxTokens, overlap), count);
        expect(found.map((passage) => passage.index)).toEqual(found.map((_, i) => i));
        for (const passage of found) expect(sliceCodePoints(text, passage)).toBe(passage.text);
      }),
    );
  });

  test('passages go forward and lose nothing but white space, for any text', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 10 }), async (text, maxTokens, overlap) => {
        const found = await chunkText(text, sentences(maxTokens, overlap), count);
        let covered = 0;
        for (const passage of found) {
          expect(sliceCodePoints(text, { ...passage, start: covered, end: Math.max(covered, passage.start) }).trim()).toBe('');
          expect(passage.end).toBeGreaterThanOrEqual(covered);
          covered = passage.end;
        }
        expect(Array.from(text).slice(covered).join('').trim()).toBe('');
      }),
    );
  });

  test('no passage is over the limit unless it is one code point, and overlaps stay within theirs', async () => {
    const perCodePoint = (texts: readonly string[]) => Promise.resolve(texts.map((text) => Array.from(text.replaceAll(/\s/gu, '')).length));
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 10 }), async (text, maxTokens, overlap) => {
        const found = await chunkText(text, sentences(maxTokens, overlap), perCodePoint);
        const lengths = await perCodePoint(found.map((passage) => passage.text));
        for (const length of lengths) expect(length).toBeLessThanOrEqual(maxTokens);
        for (const [i, passage] of found.entries()) {
          const shared = i === 0 ? '' : sliceCodePoints(text, { ...passage, end: Math.max(passage.start, found[i - 1]!.end) });
          expect((await perCodePoint([shared]))[0]).toBeLessThanOrEqual(overlap);
        }
      }),
    );
  });

  test('a sentence that is looked at in many parts is packed as in one', async () => {
    const text = Array.from({ length: 40_000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7_919) % 4_000))).join('');
    const expected: string[] = [];
    let tokens = Infinity;
    for (const { segment } of new Intl.Segmenter('en', { granularity: 'word' }).segment(text)) {
      tokens += tokensOf(segment);
      if (tokens > 9) {
        expected.push(segment);
        tokens = tokensOf(segment);
      } else expected.push((expected.pop() ?? '') + segment);
    }
    expect((await chunkText(text, sentences(9, 2), count)).map((passage) => passage.text)).toEqual(expected);
  });

  test('counts white space that has tokens of its own, and a space with the word behind it', async () => {
    // As byte-level tokenizers do: a word with the space before it, and each line break.
    const byteLevel = (texts: readonly string[]) => Promise.resolve(texts.map((text) => text.match(/ ?\S+|\s/gu)?.length ?? 0));
    const lines = Array.from({ length: 12 }, (_, line) => `apple ${line}`).join('\n\n');
    const found = await chunkText(lines, sentences(10), byteLevel);
    expect(found.map((passage) => passage.text.split('\n\n').length)).toEqual([3, 3, 3, 3]);
    const gaps = fc.array(fc.tuple(fc.constantFrom('One two.', 'x', 'word'), fc.constantFrom(' ', '\n', ' \n\n ', '\t\t')), {
      minLength: 1,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(gaps, fc.integer({ min: 2, max: 20 }), fc.integer({ min: 0, max: 8 }), async (parts, maxTokens, overlap) => {
        const passages = await chunkText(parts.flat().join(''), sentences(maxTokens, overlap), byteLevel);
        for (const tokens of await byteLevel(passages.map((passage) => passage.text))) expect(tokens).toBeLessThanOrEqual(maxTokens);
      }),
    );
  });

  test('says how many tokens of a passage are new', async () => {
    const spans = await passageSpans('A a. B b. C c. D d.', sentences(6, 3), count);
    expect(spans.map(({ newTokens }) => newTokens)).toEqual([6, 3, 3]);
  });

  test('needs to know of a count only whether it is beyond the limit, and may rest at any step', async () => {
    const noFurther = async (texts: readonly string[], enough: number) =>
      (await count(texts)).map((tokens) => Math.min(tokens, enough + 1));
    const resting: Pace = async (steps) => {
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done === true) return step.value;
        await Promise.resolve();
      }
    };
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 10 }), async (text, maxTokens, overlap) => {
        const spans = await passageSpans(text, sentences(maxTokens, overlap), noFurther, resting);
        expect(passagesOf(text, spans)).toEqual(await chunkText(text, sentences(maxTokens, overlap), count));
        for (const { from, to, start, end } of spans) {
          expect(text.slice(from, to)).toBe(sliceCodePoints(text, { index: 0, text: '', start, end }));
        }
      }),
    );
  });
});
