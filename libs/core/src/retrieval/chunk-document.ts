import type { Chunking, Passage } from '../domain/index.js';
import { finish, type Pace, type Steps } from './steps.js';
import { counted, halves, sentenceSpans, wordsFrom, type CountTokens, type CountedSpan, type Span } from './text-units.js';

/** Where a passage begins and ends; ends are exclusive. */
export interface PassageSpan {
  /** UTF-16 units of the text. */
  readonly from: number;
  readonly to: number;
  /** Unicode code points of the text. */
  readonly start: number;
  readonly end: number;
  /** Tokens that no passage before it has; none where nothing was counted. */
  readonly newTokens: number;
}

/**
 * Cuts a document's text into passages: at least one, and none of its characters but white space is lost. `sentences` packs whole
 * sentences up to `maxTokens` and repeats up to `overlapTokens` of whole sentences; a sentence that is too long is cut between words, a
 * word that is too long between code points. Tokens of a window are the sum over its parts and the white space between them.
 *
 * @param countTokens called for the sentences, some thousand at once, and again only where some are too long
 */
export async function chunkText(text: string, chunking: Chunking, countTokens: CountTokens): Promise<Passage[]> {
  return passagesOf(text, await passageSpans(text, chunking, countTokens));
}

/** `chunkText` for texts of any length on a thread that others wait for: `pace` says when to rest. */
export async function passageSpans(
  text: string,
  chunking: Chunking,
  countTokens: CountTokens,
  pace: Pace = finish,
): Promise<PassageSpan[]> {
  const whole = { start: 0, end: text.length, newTokens: 0 };
  if (chunking.mode === 'none') return await pace(withCodePoints(text, [whole]));
  const maxTokens = Math.max(1, chunking.maxTokens);
  const sentences = await counted(text, await pace(sentenceSpans(text)), { maxTokens, countTokens });
  const units = await cutLongUnits(text, sentences, { maxTokens, countTokens, pace });
  // A document may have a title only: it is found by its one, blank passage.
  return await pace(withCodePoints(text, units.length === 0 ? [whole] : windows(units, maxTokens, chunking.overlapTokens)));
}

/** The passages between the ends that `passageSpans` found. */
export function passagesOf(text: string, spans: readonly Omit<PassageSpan, 'newTokens'>[]): Passage[] {
  return spans.map(({ from, to, start, end }, index) => ({ index, start, end, text: text.slice(from, to) }));
}

interface CutOptions {
  readonly maxTokens: number;
  readonly countTokens: CountTokens;
  readonly pace: Pace;
}

async function cutLongUnits(text: string, sentences: readonly CountedSpan[], options: CutOptions): Promise<CountedSpan[]> {
  const units: CountedSpan[] = [];
  for (const sentence of sentences) {
    if (sentence.tokens <= options.maxTokens) units.push(sentence);
    else for (const part of await cutSentence(text, sentence, options)) units.push(part);
  }
  return units;
}

/** Packs the words of a sentence that is too long. */
async function cutSentence(text: string, { start, end, gapTokens }: CountedSpan, options: CutOptions): Promise<CountedSpan[]> {
  const cuts: CountedSpan[] = [];
  /** Words of the last window, in which there may be room for more. */
  let open: CountedSpan[] = [];
  for (let from = start; from < end;) {
    const { words, to } = await options.pace(resting(() => wordsFrom(text, { start: from, end })));
    from = to;
    const found = await counted(text, words, { ...options, after: open.at(-1)?.end });
    open = [...open, ...(await cutLongWords(text, found, options))];
    for (const window of windows(open, options.maxTokens, 0).slice(0, -1)) cuts.push(window);
    const packed = cuts.at(-1)?.end ?? start;
    open = open.filter((word) => word.start >= packed);
  }
  return [...cuts, ...windows(open, options.maxTokens, 0)].map((cut, index) => (index === 0 ? { ...cut, gapTokens } : cut));
}

/** A single step, with a rest before it where one is due. */
function* resting<T>(step: () => T): Steps<T> {
  yield;
  return step();
}

/** Halves what is too long until nothing is, or a code point alone is; one call of the counter a round. */
async function cutLongWords(text: string, words: readonly CountedSpan[], options: CutOptions): Promise<CountedSpan[]> {
  const parts = new Map<CountedSpan, readonly [Span, Span]>();
  for (const word of words) {
    const pair = word.tokens > options.maxTokens ? halves(text, word) : undefined;
    if (pair !== undefined) parts.set(word, pair);
  }
  if (parts.size === 0) return [...words];
  const countedParts = await counted(text, [...parts.values()].flat(), options);
  let next = 0;
  const finer = words.flatMap((word) =>
    parts.has(word) ? [{ ...countedParts[next++]!, gapTokens: word.gapTokens }, countedParts[next++]!] : [word],
  );
  return cutLongWords(text, finer, options);
}

interface Window extends CountedSpan {
  readonly newTokens: number;
}

/** Packs units in order, each window beginning with up to `overlapTokens` of whole units of the one before. */
function windows(units: readonly CountedSpan[], maxTokens: number, overlapTokens: number): Window[] {
  const result: Window[] = [];
  let first = 0;
  let seen = 0;
  while (first < units.length) {
    let end = first;
    let tokens = 0;
    let newTokens = 0;
    while (end < units.length && (end === first || tokens + costOf(units[end]!) <= maxTokens)) {
      tokens += end === first ? units[end]!.tokens : costOf(units[end]!);
      if (end >= seen) newTokens += units[end]!.tokens;
      end += 1;
    }
    seen = end;
    result.push({ start: units[first]!.start, end: units[end - 1]!.end, tokens, gapTokens: units[first]!.gapTokens, newTokens });
    if (end === units.length) break;
    first = overlapStart(units, { first, end, maxTokens, overlapTokens });
  }
  return result;
}

/** Tokens of a unit behind another. */
function costOf({ tokens, gapTokens }: CountedSpan): number {
  return tokens + gapTokens;
}

/** The overlap leaves room for at least one new unit, so that every window goes forward. */
function overlapStart(
  units: readonly CountedSpan[],
  { first, end, maxTokens, overlapTokens }: { first: number; end: number; maxTokens: number; overlapTokens: number },
): number {
  const room = Math.min(overlapTokens, maxTokens - costOf(units[end]!));
  let start = end;
  let tokens = 0;
  while (start - 1 > first && tokens + units[start - 1]!.tokens <= room) {
    start -= 1;
    tokens += costOf(units[start]!);
  }
  return start;
}

/** Code points counted in one step. */
const STRETCH = 262_144;

/** Code points before each end, in one pass over the text. */
function* withCodePoints(text: string, spans: readonly (Span & Pick<PassageSpan, 'newTokens'>)[]): Steps<PassageSpan[]> {
  const codePointAt = new Map<number, number>();
  let [at, codePoints] = [0, 0];
  for (const offset of spans.flatMap(({ start, end }) => [start, end]).sort((a, b) => a - b)) {
    for (; at < offset; codePoints += 1) {
      at += text.codePointAt(at)! > 0xffff ? 2 : 1;
      if (codePoints % STRETCH === STRETCH - 1) yield;
    }
    codePointAt.set(offset, codePoints);
  }
  return spans.map(({ start, end, newTokens }) => ({
    from: start,
    to: end,
    start: codePointAt.get(start)!,
    end: codePointAt.get(end)!,
    newTokens,
  }));
}
