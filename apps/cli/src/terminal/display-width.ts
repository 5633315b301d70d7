const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Unicode Annex 11: wide and full-width characters, and emoji, fill two columns. */
const WIDE =
  /^(?:\p{Emoji_Presentation}|\p{Emoji}\uFE0F|[\u1100-\u115F\u2E80-\u303E\u3041-\u4DBF\u4E00-\uA4CF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6]|[\u{20000}-\u{3FFFD}])/u;
const ASCII = /^[\x20-\x7E]*$/;
const INVISIBLE = /^[\p{M}\p{Cf}]+$/u;

/** Columns of a terminal that a text fills; the text holds no control characters. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += graphemeWidth(segment);
  return width;
}

function graphemeWidth(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}

/** Cuts a text to `maxWidth` columns; the last one is an ellipsis where something was cut. */
export function cutToWidth(text: string, maxWidth: number): string {
  if (displayWidth(text) <= maxWidth) return text;
  let kept = '';
  let width = 0;
  for (const { segment } of segmenter.segment(text)) {
    width += graphemeWidth(segment);
    if (width > maxWidth - 1) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}

/** One line that is safe to show: documents may hold line breaks, and escape sequences that would take over the terminal. */
export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}
