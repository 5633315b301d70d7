import type { Steps } from './steps.js';

/** A span of a text, UTF-16 offsets, `end` exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface CountedSpan extends Span {
  /** With the space before it, if there is one: a byte-level tokenizer gives a word behind a space other tokens. */
  readonly tokens: number;
  /** Tokens of the white space between it and the span before, beyond that space; none where a tokenizer drops white space. */
  readonly gapTokens: number;
}

/** One call for many texts. A count beyond `enough` may be any number beyond it. */
export type CountTokens = (texts: readonly string[], enough: number) => Promise<readonly number[]>;

/** A fixed locale: the cut must not depend on the machine's. */
const SENTENCES = new Intl.Segmenter('en', { granularity: 'sentence' });
const WORDS = new Intl.Segmenter('en', { granularity: 'word' });

const BLANK = /^\s*$/u;

/** Segments looked at in one step. */
const STRETCH = 2_048;

/** Sentences without the white space around them; together they hold every character that is not white space. */
export function* sentenceSpans(text: string): Steps<Span[]> {
  const spans: Span[] = [];
  let segments = 0;
  for (const { segment, index } of SENTENCES.segment(text)) {
    const span = trimmed(text, { start: index, end: index + segment.length });
    if (span.start < span.end) spans.push(span);
    if (++segments % STRETCH === 0) yield;
  }
  return spans;
}

/**
 * Characters between two spaces beyond which words are looked for in parts: for scripts without spaces the segmenter weighs all ways to cut such a
 * stretch at once.
 */
const LONGEST_STRETCH = 16_384;
/** Words this near to the end of a part may be other words in the whole. */
const UNSURE = 256;

/** Words and punctuation marks, without white space, of a part of a text from `start` on; `to` is where the next part begins, or `end`. */
export function wordsFrom(text: string, { start, end }: Span): { readonly words: Span[]; readonly to: number } {
  for (let size = LONGEST_STRETCH; ; size *= 2) {
    const partTo = partEnd(text, start, size, end);
    const sure = partTo === end || text[partTo] === ' ' ? partTo : partTo - UNSURE;
    const words: Span[] = [];
    let to = start;
    for (const { segment, index } of WORDS.segment(text.slice(start, partTo))) {
      const wordEnd = start + index + segment.length;
      if (wordEnd > sure) break;
      if (!BLANK.test(segment)) words.push({ start: start + index, end: wordEnd });
      to = wordEnd;
    }
    // A word that is longer than the part is looked for in twice as much.
    if (to > start) return { words, to };
  }
}

/** The last space in the second half of a part, where no word is cut, or its end between code points. */
function partEnd(text: string, from: number, size: number, end: number): number {
  const to = from + size;
  if (to >= end) return end;
  const half = to - (size >> 1);
  const space = text.slice(half, to).lastIndexOf(' ');
  if (space >= 0) return half + space;
  return text.codePointAt(to - 1)! > 0xffff ? to + 1 : to;
}

/** Two halves, cut between code points; undefined if there is one only. */
export function halves(text: string, { start, end }: Span): [Span, Span] | undefined {
  let middle = (start + end) >> 1;
  if (text.codePointAt(middle - 1)! > 0xffff) middle += 1;
  return middle > start && middle < end
    ? [
        { start, end: middle },
        { start: middle, end },
      ]
    : undefined;
}

function trimmed(text: string, { start, end }: Span): Span {
  const segment = text.slice(start, end);
  return { start: end - segment.trimStart().length, end: start + segment.trimEnd().length };
}

/** Spans counted in one call. */
const COUNTED = 4_096;

export interface CountOptions {
  readonly maxTokens: number;
  readonly countTokens: CountTokens;
  /** Where the span before the first one ends, if there is one. */
  readonly after?: number | undefined;
}

/** Counts no further than to see what has more than `maxTokens`. */
export async function counted(
  text: string,
  spans: readonly Span[],
  { maxTokens, countTokens, after }: CountOptions,
): Promise<CountedSpan[]> {
  const result: CountedSpan[] = [];
  const tokensOfGap = new Map([['', 0]]);
  for (let first = 0; first < spans.length; first += COUNTED) {
    const group = spans.slice(first, first + COUNTED);
    const gaps = group.map((span, i) => gapOf(text.slice(spans[first + i - 1]?.end ?? after ?? span.start, behindSpace(text, span))));
    const unknown = [...new Set(gaps)].filter((gap) => !tokensOfGap.has(gap));
    const texts = group.map((span) => text.slice(behindSpace(text, span), span.end));
    const tokens = await countTokens([...texts, ...unknown], maxTokens);
    for (const [i, gap] of unknown.entries()) tokensOfGap.set(gap, tokens[texts.length + i]!);
    for (const [i, { start, end }] of group.entries())
      result.push({ start, end, tokens: tokens[i]!, gapTokens: tokensOfGap.get(gaps[i]!)! });
  }
  return result;
}

/** Spans that are not beside each other have something else between them. */
function gapOf(between: string): string {
  return BLANK.test(between) ? between : '';
}

/** Where the space before a span is, or the span. */
function behindSpace(text: string, { start }: Span): number {
  return text[start - 1] === ' ' ? start - 1 : start;
}
