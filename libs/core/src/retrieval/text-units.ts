/** A span of a text, UTF-16 offsets, `end` exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface CountedSpan extends Span {
  readonly tokens: number;
}

/** One call for many texts. */
export type CountTokens = (texts: readonly string[]) => Promise<readonly number[]>;

/** A fixed locale: the cut must not depend on the machine's. */
const SENTENCES = new Intl.Segmenter('en', { granularity: 'sentence' });
const WORDS = new Intl.Segmenter('en', { granularity: 'word' });

const BLANK = /^\s*$/u;

/** Sentences without the white space around them; together they hold every character that is not white space. */
export function sentenceSpans(text: string): Span[] {
  const spans: Span[] = [];
  for (const { segment, index } of SENTENCES.segment(text)) {
    const span = trimmed(text, { start: index, end: index + segment.length });
    if (span.start < span.end) spans.push(span);
  }
  return spans;
}

/** Words and punctuation marks, without white space. */
export function wordSpans(text: string, within: Span): Span[] {
  const spans: Span[] = [];
  for (const { segment, index } of WORDS.segment(text.slice(within.start, within.end))) {
    if (!BLANK.test(segment)) spans.push({ start: within.start + index, end: within.start + index + segment.length });
  }
  return spans;
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

export async function counted(text: string, spans: readonly Span[], countTokens: CountTokens): Promise<CountedSpan[]> {
  if (spans.length === 0) return [];
  const tokens = await countTokens(spans.map(({ start, end }) => text.slice(start, end)));
  return spans.map((span, i) => ({ ...span, tokens: tokens[i]! }));
}
