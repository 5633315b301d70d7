import { passageSpans } from '@rerank-fleet/core/retrieval';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { windowPassages, type WindowedPassages } from './window-passages.js';

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'sentence' });

/** A token for each code point that is no white space: tokens of a window are exactly those of its parts. */
const tokensOf = (text: string): number => Array.from(text.replaceAll(/\s/gu, '')).length;
const countTokens = (texts: readonly string[]): Promise<number[]> => Promise.resolve(texts.map(tokensOf));

function windowsOf(passages: readonly string[], room: number, maxPassageTokens?: number): Promise<WindowedPassages> {
  return windowPassages(
    { query: 'q', passages, policy: 'chunk', ...(maxPassageTokens === undefined ? {} : { maxPassageTokens }) },
    {
      long: [...passages.keys()].filter((index) => tokensOf(passages[index]!) > room),
      room,
      cutWindows: (text, limits) => passageSpans(text, { mode: 'sentences', ...limits }, countTokens),
      allFit: (texts) => Promise.resolve(texts.every((each) => tokensOf(each) <= room)),
    },
  );
}

const sliceCodePoints = (text: string, start: number, end: number): string => Array.from(text).slice(start, end).join('');

const sentence = fc.constantFrom(
  'Prune in winter.',
  'Why? ',
  '苹果树在冬天修剪。',
  '剪口要平整，枝条才会愈合。',
  'が か\u3099 で。',
  '👩‍👩‍👧 🇩🇪🇫🇷 1️⃣!',
  '🍎🍏',
  'e\u0301te\u0301 o\u0308\u0304.',
  'עץ התפוח. ',
  'पेड़ की छँटाई।',
  'ต้นแอปเปิล',
  'A long line about pears, plums and cherries that nobody has cut for years and years.',
);
const gap = fc.constantFrom(' ', '\n\n', '  ', '\t', '\u3000', '');
const text = fc.array(fc.tuple(sentence, gap), { minLength: 1, maxLength: 30 }).map((parts) => parts.flat().join(''));
const room = fc.integer({ min: 4, max: 120 });

describe(windowPassages.name, () => {
  it('gives windows that are the slices of their passages by code points', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 4 }), room, async (passages, tokens) => {
        for (const window of (await windowsOf(passages, tokens)).windows) {
          expect(sliceCodePoints(passages[window.passage]!, window.start, window.end)).toBe(window.text);
          expect(window.text.isWellFormed()).toBe(true);
          expect(tokensOf(window.text)).toBeLessThanOrEqual(tokens);
        }
      }),
    );
  });

  it('covers every character but white space, going forward', async () => {
    await fc.assert(
      fc.asyncProperty(text, room, async (passage, tokens) => {
        const { windows, cut } = await windowsOf([passage], tokens);
        expect(windows.length > 0).toBe(tokensOf(passage) > tokens);
        expect(cut.size).toBe(0);
        let covered = 0;
        for (const { start, end } of windows) {
          expect(sliceCodePoints(passage, covered, start).trim()).toBe('');
          expect(end).toBeGreaterThan(covered);
          covered = end;
        }
        if (windows.length > 0) expect(sliceCodePoints(passage, covered, Infinity).trim()).toBe('');
      }),
    );
  });

  it('begins and ends windows where sentences do, if the sentences fit', async () => {
    await fc.assert(
      fc.asyncProperty(text, room, async (passage, tokens) => {
        const sentences = Array.from(SEGMENTER.segment(passage), ({ segment }) => segment);
        fc.pre(sentences.every((each) => tokensOf(each) <= tokens));
        const [starts, ends] = [new Set<number>(), new Set<number>()];
        let before = 0;
        for (const each of sentences) {
          starts.add(before + each.length - each.trimStart().length);
          ends.add(before + each.trimEnd().length);
          before += each.length;
        }
        for (const { from, to } of (await windowsOf([passage], tokens)).windows) {
          expect(starts).toContain(from);
          expect(ends).toContain(to);
        }
      }),
    );
  });

  it('repeats the last sentences of a window at the start of the next, up to an eighth of it', async () => {
    const passage = Array.from({ length: 40 }, (_, index) => `Tree ${index % 10}.`).join(' ');
    const { windows } = await windowsOf([passage], 60);
    expect(windows.map(({ text: part }) => tokensOf(part))).toEqual([60, 60, 60, 60, 24]);
    for (const [index, { start }] of windows.entries()) {
      const shared = index === 0 ? '' : sliceCodePoints(passage, start, windows[index - 1]!.end);
      expect(tokensOf(shared)).toBe(index === 0 ? 0 : 6);
    }
  });

  it('leaves passages that fit alone and says which were cut at the caller’s limit', async () => {
    const long = 'Prune in winter. '.repeat(30);
    const { windows, cut } = await windowsOf(['short', long, long], 40, 80);
    expect(new Set(windows.map(({ passage }) => passage))).toEqual(new Set([1, 2]));
    expect(cut).toEqual(new Set([1, 2]));
    expect(windows.filter(({ passage }) => passage === 1)).toHaveLength(3);
  });

  it('looks at all of a passage within the caller’s limit, however its sentences fill windows', async () => {
    // Two thirds of a window each: as many windows as sentences.
    const passage = Array.from({ length: 9 }, (_, index) => `Tree ${index} ${'x'.repeat(30)}.`).join(' ');
    expect(tokensOf(passage)).toBe(9 * 36);
    const { windows, cut } = await windowsOf([passage], 54, 9 * 36);
    expect([windows.length, cut.size]).toEqual([9, 0]);
    const shorter = await windowsOf([passage], 54, 8 * 36);
    expect([shorter.windows.length, shorter.cut.size]).toEqual([8, 1]);
  });

  it('cuts windows anew for less room where they have more tokens than their sentences, and says so if that does not help', async () => {
    const passage = Array.from({ length: 20 }, (_, index) => `Tree ${index % 10}.`).join(' ');
    const rooms: number[] = [];
    const cutWindows = (text: string, limits: { readonly maxTokens: number; readonly overlapTokens: number }) => {
      rooms.push(limits.maxTokens);
      return passageSpans(text, { mode: 'sentences', ...limits }, countTokens);
    };
    const request = { query: 'q', passages: [passage], policy: 'chunk' } as const;
    const more = async (tokens: number) =>
      await windowPassages(request, {
        long: [0],
        room: 64,
        cutWindows,
        allFit: (texts) => Promise.resolve(texts.every((each) => tokensOf(each) + tokens <= 64)),
      });
    const { windows, cut } = await more(14);
    expect(cut.size).toBe(0);
    for (const { text: part } of windows) expect(tokensOf(part) + 14).toBeLessThanOrEqual(64);
    expect(rooms).toEqual([64, 62, 56, 48]);
    expect((await more(64)).cut).toEqual(new Set([0]));
  });

  it('refuses more than 10,000 windows', async () => {
    await expect(windowsOf(['a. '.repeat(10_001)], 2)).rejects.toMatchObject({ code: 'too_many_candidates' });
  });
});
